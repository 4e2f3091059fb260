// Long payloads over shared memory: in one piece, where they were written; and peers that lie about
// them.

#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/transport.h"
#include "nigh/transports/shm/bulk_region.h"
#include "nigh/transports/shm/control_page.h"
#include "nigh/transports/shm/ring.h"
#include "nigh/transports/shm/shm.h"
#include "tests/contract/frames.h"
#include "tests/shm/raw_peer.h"
#include "tests/support/temporary_folder.h"

namespace nigh::testing {
namespace {

using ::testing::HasSubstr;

constexpr size_t kLong = 1'000'000;
constexpr uint32_t kBulk = 1 << 20;

bool IsReadable(int fd) {
  pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
  eventfd_t ignored;
  return ::poll(&readable, 1, 0) == 1 && ::eventfd_read(fd, &ignored) == 0;
}

class BulkTest : public ::testing::Test {
 protected:
  // Connects; the parameters are each side's, as in "?bulk=0".
  void Meet(absl::string_view of_client, absl::string_view of_server) {
    const std::string path = folder_.PathOf("server");
    listener_ = ListenShm(MakeAddress(absl::StrCat("shm:", path, of_server))).value();
    client_ = DialShm(MakeAddress(absl::StrCat("shm:", path, of_client))).value();
    server_ = Accept(*listener_).value();
    // Whoever has received has attached the other's memory.
    ASSERT_TRUE(Exchange(*client_, *server_).ok());
  }
  // Sends a payload beside the ring. False: there is no memory for it.
  static bool SendLong(Connection& connection, uint32_t call, absl::string_view payload) {
    const std::optional<ByteSpan> allocated = connection.AllocateBulk(payload.size());
    if (!allocated.has_value()) return false;
    payload.copy(reinterpret_cast<char*>(allocated->data()), payload.size());
    FrameHeader header = MessageHeader(call);
    header.length = static_cast<uint32_t>(payload.size());
    return connection.CommitBulk(header, *allocated) && connection.Flush() == Flushed::kAll;
  }

  const TemporaryFolder folder_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connection> client_;
  std::unique_ptr<Connection> server_;
};

class BulkMemoryTest : public BulkTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(BulkMemoryTest, LongPayloadsComeInOnePieceAmongOthers) {
  const std::string memory = absl::StrCat("?memory=", GetParam());
  Meet(memory, memory);
  EXPECT_GT(server_->max_received_payload(), kLong);
  for (uint32_t call = 0; call < 50; ++call) {
    const size_t size = kMaxRecordPayload + 1 + 20'000 * call;
    ASSERT_TRUE(Send(*client_, call, Pattern(call, 100)).ok());
    ASSERT_TRUE(SendLong(*client_, call, Pattern(call, size)));
    ASSERT_TRUE(Send(*client_, call, "").ok());
    EXPECT_EQ(Receive(*server_).value().payload, Pattern(call, 100));
    EXPECT_EQ(Receive(*server_).value().payload, Pattern(call, size));
    EXPECT_EQ(Receive(*server_).value().payload, "");
    ASSERT_TRUE(SendLong(*server_, call, Pattern(call, size)));
    EXPECT_EQ(Receive(*client_).value().payload, Pattern(call, size));
  }
}

TEST_P(BulkMemoryTest, WhatWasSentOutlivesItsSender) {
  const std::string memory = absl::StrCat("?memory=", GetParam());
  Meet(memory, memory);
  ASSERT_TRUE(SendLong(*client_, 1, Pattern(1, kLong)));
  client_.reset();
  EXPECT_EQ(Receive(*server_).value().payload, Pattern(1, kLong));
}
INSTANTIATE_TEST_SUITE_P(Memory, BulkMemoryTest, ::testing::Values("memfd", "posix", "sysv"));

TEST_F(BulkTest, AChunkIsUsedAgainOnceItIsReleasedAndNotBefore) {
  Meet("?bulk=2MiB", "");
  ASSERT_TRUE(SendLong(*client_, 1, Pattern(1, kLong)));
  ASSERT_TRUE(SendLong(*client_, 2, Pattern(2, kLong)));
  EXPECT_FALSE(SendLong(*client_, 3, Pattern(3, kLong)));
  std::vector<Frame> frames(16);
  ASSERT_EQ(server_->Receive(absl::MakeSpan(frames)).frames, 2u);
  const std::byte* const first = frames[0].payload.data();
  EXPECT_FALSE(SendLong(*client_, 3, Pattern(3, kLong)));
  server_->Release(1);
  EXPECT_TRUE(SendLong(*client_, 3, Pattern(3, kLong)));
  EXPECT_FALSE(SendLong(*client_, 4, Pattern(4, kLong)));
  EXPECT_EQ(AsText(frames[1].payload), Pattern(2, kLong));
  server_->Release(1);
  ASSERT_EQ(server_->Receive(absl::MakeSpan(frames)).frames, 1u);
  EXPECT_EQ(AsText(frames[0].payload), Pattern(3, kLong));
  EXPECT_EQ(frames[0].payload.data(), first) << "in place, and where it was before";
  server_->Release(1);
}

TEST_F(BulkTest, ThePeerIsWokenWhileALongPayloadIsMade) {
  Meet("", "");
  Frame frame;
  const auto look = [&] { return server_->Receive(absl::MakeSpan(&frame, 1)); };
  ASSERT_EQ(look().frames, 0u);
  const Wake wake = server_->Arm(Interest::kReceive);
  ASSERT_FALSE(wake.ready());
  const std::optional<ByteSpan> allocated = client_->AllocateBulk(kLong);
  ASSERT_TRUE(allocated.has_value());
  EXPECT_TRUE(IsReadable(wake.fd));
  Received received = look();
  EXPECT_TRUE(received.frames == 0 && received.soon);
  received = look();
  EXPECT_TRUE(received.frames == 0 && !received.soon);
  // It may fall asleep nevertheless.
  (void)server_->Arm(Interest::kReceive);
  FrameHeader header = MessageHeader(1);
  header.length = kLong;
  ASSERT_TRUE(client_->CommitBulk(header, *allocated));
  ASSERT_EQ(client_->Flush(), Flushed::kAll);
  EXPECT_TRUE(IsReadable(wake.fd));
  EXPECT_EQ(look().frames, 1u);
  server_->Release(1);
  // What takes longer to make is not announced.
  const std::optional<ByteSpan> longer = client_->AllocateBulk(4 * kLong);
  ASSERT_TRUE(longer.has_value());
  EXPECT_FALSE(look().soon);
  client_->FreeBulk(*longer);
}

TEST_F(BulkTest, ThePeerIsWokenWhileAProgramFillsItsMemory) {
  Meet("", "");
  Frame frame;
  const auto look = [&] { return server_->Receive(absl::MakeSpan(&frame, 1)); };
  ASSERT_EQ(look().frames, 0u);
  const Wake wake = server_->Arm(Interest::kReceive);
  ASSERT_FALSE(wake.ready());
  const std::optional<HeldBulk> held = client_->HoldBulk(kLong);
  ASSERT_TRUE(held.has_value());
  EXPECT_TRUE(IsReadable(wake.fd));
  const Received received = look();
  EXPECT_TRUE(received.frames == 0 && received.soon);
  ASSERT_TRUE(client_->HoldBulk(4 * kLong).has_value());
  EXPECT_FALSE(look().soon) << "that takes longer than anybody looks out";
}

// A peer that has not mapped the memory, or cannot, takes a notice of it for nonsense.
TEST_F(BulkTest, WhoDoesNotReadTheMemoryIsToldNothing) {
  const std::string path = folder_.PathOf("server");
  listener_ = ListenShm(MakeAddress(absl::StrCat("shm:", path))).value();
  client_ = DialShm(MakeAddress(absl::StrCat("shm:", path))).value();
  server_ = Accept(*listener_).value();
  Frame frame;
  // The client has joined, and the server, which has looked for nothing yet, has not.
  ASSERT_EQ(client_->Receive(absl::MakeSpan(&frame, 1)).frames, 0u);
  const std::optional<HeldBulk> held = client_->HoldBulk(kLong);
  ASSERT_TRUE(held.has_value());
  const Received received = server_->Receive(absl::MakeSpan(&frame, 1));
  EXPECT_FALSE(received.ended) << server_->End(Interest::kReceive);
  EXPECT_FALSE(received.soon);
}

// Memory that cannot be sealed lies in a file system that may be full.
TEST_F(BulkTest, AFullSystemIsNoMemoryAndNoSignal) {
  enum : int { kGood, kNoNamespace, kNeverFull, kLost, kNotAgain };
  const pid_t child = ::fork();
  if (child == 0) {
    // A /dev/shm of this child's own. The rings take half a megabyte of it.
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=4m") != 0) {
      ::_exit(kNoNamespace);
    }
    Meet("?memory=posix", "?memory=posix");
    uint32_t sent = 0;
    while (sent < 10 && SendLong(*client_, sent, Pattern(sent, kLong))) ++sent;
    if (sent == 0 || sent == 10) ::_exit(kNeverFull);
    for (uint32_t call = 0; call < sent; ++call) {
      if (Receive(*server_).value().payload != Pattern(call, kLong)) ::_exit(kLost);
    }
    const bool again = SendLong(*client_, 99, Pattern(99, kLong)) &&
                       Receive(*server_).value().payload == Pattern(99, kLong);
    ::_exit(again ? kGood : kNotAgain);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "by signal " << WTERMSIG(status);
  if (WEXITSTATUS(status) == kNoNamespace) GTEST_SKIP() << "needs a mount namespace: run as root";
  EXPECT_EQ(WEXITSTATUS(status), kGood);
}

TEST_F(BulkTest, MemoryThatIsNotSentIsFreed) {
  Meet("?bulk=1MiB", "");
  for (int i = 0; i < 3; ++i) {
    const std::optional<ByteSpan> allocated = client_->AllocateBulk(kLong);
    ASSERT_TRUE(allocated.has_value());
    client_->FreeBulk(*allocated);
  }
}

TEST_F(BulkTest, EitherSideMayHaveNone) {
  Meet("?bulk=0", "");
  EXPECT_FALSE(SendLong(*client_, 1, Pattern(1, kLong)));
  EXPECT_EQ(server_->max_received_payload(), server_->max_payload());
  EXPECT_TRUE(SendLong(*server_, 1, Pattern(1, kLong)));
  EXPECT_EQ(Receive(*client_).value().payload, Pattern(1, kLong));
}

class HostileBulkTest : public BulkTest {
 protected:
  void SetUp() override {
    listener_ = ListenShm(MakeAddress("shm:" + path_)).value();
    peer_.emplace(path_);
    server_ = Accept(*listener_).value();
    ASSERT_TRUE(peer_->Offer(128 * 1024, bulk_) && peer_->Attach());
  }
  // Has the peer publish a frame of `length` bytes that says that it lies there.
  void Publish(uint32_t length, const BulkRecord& record) {
    FrameHeader header = MessageHeader(1);
    header.length = length;
    EncodeFrameHeader(header, peer_->data().data());
    EncodeBulkRecord(record, peer_->data().data() + kFrameHeaderSize);
    peer_->page().tail = kRecordAlignment;
    (void)peer_->Send("d");
  }
  void ExpectInternal(absl::string_view because) {
    const absl::Status end = ReceiveEnd(*server_);
    EXPECT_TRUE(absl::IsInternal(end)) << end;
    EXPECT_THAT(std::string(end.message()), HasSubstr(std::string(because)));
  }

  const std::string path_ = folder_.PathOf("server");
  uint32_t bulk_ = kBulk;
  std::optional<RawPeer> peer_;
};

TEST_F(HostileBulkTest, APayloadBeyondTheRegionIsRefused) {
  Publish(kLong, {.offset = kBulk - kLong + 1});
  ExpectInternal(
      "a payload of 1000000 bytes at 48577 in chunk 0 of a bulk region of 1048576 bytes");
}

TEST_F(HostileBulkTest, AChunkThatThereIsNotIsRefused) {
  Publish(kLong, {.chunk = kBulkChunks});
  ExpectInternal("in chunk 256 of");
}

TEST_F(HostileBulkTest, APayloadLongerThanTheRegionIsRefused) {
  Publish(kBulk + 1, {});
  ExpectInternal("frame of 1048577 bytes, more than the 1048576");
}

TEST_F(HostileBulkTest, WhatIsGivenBackTwiceIsRefused) {
  peer_->page().takes_bulk = 1;
  Publish(kLong, {});
  ASSERT_TRUE(Receive(*server_).ok());
  EXPECT_EQ(peer_->their_page().takes_bulk, 1u);
  ASSERT_TRUE(SendLong(*server_, 1, Pattern(1, kLong)));
  peer_->page().returned[0] = 5;
  EXPECT_EQ(server_->AllocateBulk(kLong), std::nullopt);
  ExpectInternal("the peer gives back use 5 of chunk 0 of the bulk region, of which it has use 1");
}

// It is given back to whoever lent it, whatever it calls it.
TEST_F(HostileBulkTest, HolesAreZeroes) {
  Publish(kLong, {.chunk = 9, .use = 77, .offset = 0});
  EXPECT_EQ(Receive(*server_).value().payload, std::string(kLong, '\0'));
  EXPECT_EQ(peer_->their_page().returned[9], 77u);
}

class HostilePeerWithoutBulkTest : public HostileBulkTest {
 protected:
  HostilePeerWithoutBulkTest() { bulk_ = 0; }
};

TEST_F(HostilePeerWithoutBulkTest, HasNoLongPayloads) {
  Publish(kMaxRecord, {});
  ExpectInternal("frame of 32768 bytes, more than the 32744");
}

}  // namespace
}  // namespace nigh::testing
