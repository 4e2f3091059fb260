// Peers that lie about attachments and about memory that they share.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/mutex.h"
#include "nigh/nigh.h"
#include "nigh/runtime/base/sealed_memory.h"
#include "nigh/runtime/call/shared_memory.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "tests/attachments/album.nigh.h"
#include "tests/hostile/channel_fixture.h"
#include "tests/hostile/raw_peer.h"
#include "tests/hostile/socket_folder.h"

namespace nigh::hostile {
namespace {

using ::testing::HasSubstr;

constexpr size_t kLimit = 1000;
constexpr size_t kMemory = 65'536;
constexpr uint8_t kAttached = kSections | kMessage | kAttachment;

enum Method : uint16_t { kShow, kTurn, kUnknown };

// A frame whose payload ends with an attachment of `size` bytes.
std::string Attached(FrameHeader header, uint32_t size) {
  SectionWriter sections;
  sections.AddAttachment(size);
  header.flags |= kAttached;
  return FrameBytes(header, absl::StrCat(sections.block(), std::string(size, 'x')));
}
// The same in two pieces.
std::string Cut(FrameHeader header, uint32_t size) {
  SectionWriter sections;
  sections.AddAttachment(size);
  header.flags |= kAttached;
  header.rest = size;
  return absl::StrCat(FrameBytes(header, sections.block()),
                      PieceBytes(header.call, std::string(size, 'x'), 0));
}

// A request with a part of shared memory for its attachment.
std::string Sharing(const SharedPart& part, uint32_t call = 0) {
  SectionWriter sections;
  sections.AddShared(part);
  return FrameBytes({.kind = FrameKind::kRequest,
                     .flags = kSections | kMessage | kEnd,
                     .method = kShow,
                     .call = call},
                    sections.block());
}

std::string MemoryBytes(uint32_t number, uint64_t size) {
  return FrameBytes({.kind = FrameKind::kMemory, .call = number, .aux = size});
}

class AlbumService final : public testing::Album::Service {
  absl::Status Show(ServerContext& context, const testing::Page&, testing::Page* reply) override {
    reply->set_number(static_cast<int>(context.attachment().size()));
    return absl::OkStatus();
  }
  absl::Status Turn(ServerContext&, ServerStream<testing::Page, testing::Page>& stream) override {
    while (stream.Read().has_value()) {
    }
    return absl::OkStatus();
  }
};

class HostileAttachments : public ::testing::Test {
 protected:
  explicit HostileAttachments(const Limits& limits = {.max_attachment = kLimit})
      : server_(ServerOptions{.limits = limits, .on_error = [this](const absl::Status& status) {
                                MutexLock lock(mutex_);
                                errors_.emplace_back(status.message());
                                reported_.SignalAll();
                              }}) {
    server_.Register(album_);
    EXPECT_EQ(server_.Listen(folder_.address()), absl::OkStatus());
    EXPECT_EQ(server_.Start(), absl::OkStatus());
  }
  ~HostileAttachments() override {
    // Others are served.
    RawPeer peer = Connect();
    EXPECT_TRUE(peer.Send(RequestBytes(0, kShow, "")));
    EXPECT_EQ(StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)), absl::OkStatus());
  }

  RawPeer Connect(uint32_t features = kTakesAttachments) {
    RawPeer peer = RawPeer::Dial(folder_.path());
    Hello hello = GenerousHello();
    hello.features = features;
    if ((features & kTakesAttachments) != 0) hello.max_attachment = 1 << 20;
    EXPECT_TRUE(
        peer.Send(absl::StrCat(HelloBytes(hello), MethodBytes(kShow, "/nigh.testing.Album/Show"),
                               MethodBytes(kTurn, "/nigh.testing.Album/Turn"),
                               MethodBytes(kUnknown, "/nigh.testing.Album/Burn"))));
    (void)peer.ReceiveKind(FrameKind::kHello);
    return peer;
  }
  // The connection ends, with `what`.
  void ExpectBroken(RawPeer& peer, const std::string& what) {
    (void)peer.ReceiveAll();
    MutexLock lock(mutex_);
    while (errors_.empty()) reported_.Wait(mutex_);
    EXPECT_THAT(errors_.front(), HasSubstr(what));
    errors_.pop_front();
  }

  SocketFolder folder_;
  AlbumService album_;
  Mutex mutex_;
  CondVar reported_;
  std::deque<std::string> errors_ ABSL_GUARDED_BY(mutex_);
  Server server_;
};

TEST_F(HostileAttachments, OverTheLimitEndTheirCallAsSoonAsThatIsKnown) {
  RawPeer peer = Connect();
  const FrameHeader request = {.kind = FrameKind::kRequest, .flags = kEnd, .method = kShow};
  const auto expect_refused = [&](const std::string& frame) {
    ASSERT_TRUE(peer.Send(frame));
    const absl::Status refused = StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0));
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(refused.message()),
                HasSubstr("received an attachment of 1001 bytes, where 1000 are accepted (raise "
                          "ServerOptions::limits.max_attachment)"));
  };
  expect_refused(Attached(request, kLimit + 1));
  expect_refused(Cut(request, kLimit + 1));
  // Messages of streams.
  const std::string opens = RequestBytes(0, kTurn, "", /*end=*/false);
  expect_refused(absl::StrCat(opens, Attached({.kind = FrameKind::kMessage}, kLimit + 1)));
  expect_refused(absl::StrCat(opens, Cut({.kind = FrameKind::kMessage}, kLimit + 1)));
  ASSERT_TRUE(peer.Send(Attached(request, kLimit)));
  EXPECT_EQ(StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)), absl::OkStatus());
}

TEST_F(HostileAttachments, WithoutAMessageEndTheirCall) {
  RawPeer peer = Connect();
  SectionWriter sections;
  sections.AddAttachment(3);
  const std::string payload = absl::StrCat(sections.block(), "abc");
  ASSERT_TRUE(peer.Send(absl::StrCat(
      RequestBytes(0, kTurn, "", /*end=*/false),
      FrameBytes({.kind = FrameKind::kMessage, .flags = kSections | kAttachment}, payload))));
  const absl::Status broken = StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0));
  EXPECT_EQ(broken.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(broken.message()), HasSubstr("an attachment without a message"));
}

TEST_F(HostileAttachments, MemoryThatNobodyHasAskedForEndsTheConnection) {
  RawPeer peer = Connect();
  ASSERT_TRUE(peer.Send(MemoryBytes(0, kMemory)));
  ExpectBroken(peer, "MEMORY frame of memory 0, which this side has not asked for");
  RawPeer other = Connect();
  ASSERT_TRUE(other.Send(Sharing({.memory = 0, .size = 10, .offset = 0})));
  ExpectBroken(other, "with shared memory, which this side has not asked for");
}

class HostileSharing : public HostileAttachments {
 protected:
  HostileSharing() : HostileAttachments({.max_attachment = kMemory, .shares_memory = true}) {}

  RawPeer Connect() {
    RawPeer peer = HostileAttachments::Connect(kTakesAttachments | kSharesMemory);
    // Its page, in which it counts.
    EXPECT_EQ(peer.ReceiveKind(FrameKind::kMemory).header.call, kReturnsNumber);
    return peer;
  }
  void ExpectRefused(uint32_t number, uint64_t size, const std::vector<int>& fds,
                     const std::string& what) {
    RawPeer peer = Connect();
    ASSERT_TRUE(peer.SendWith(MemoryBytes(number, size), fds));
    ExpectBroken(peer, what);
  }

  const SealedMemory memory_ = CreateSealedMemory(kMemory).value();
};

TEST_F(HostileSharing, MemoryThatIsNotWhatItShouldBeEndsTheConnection) {
  const int fd = memory_.fd.get();
  ExpectRefused(0, kMemory, {}, "whose one descriptor has not come");
  ExpectRefused(0, kMemory, {fd, fd}, "whose one descriptor has not come");
  ExpectRefused(0, kMemory / 2, {fd}, "has 65536 bytes instead of 32768");
  ExpectRefused(0, 0, {fd}, "MEMORY frame of memory 0 of 0 bytes");
  ExpectRefused(0, 100, {fd}, "MEMORY frame of memory 0 of 100 bytes");
  ExpectRefused(0, uint64_t{1} << 40, {fd}, "MEMORY frame of memory 0 of 1099511627776 bytes");
  ExpectRefused(kReturnsNumber + 1, kMemory, {fd}, "MEMORY frame of memory 64");
  ExpectRefused(kReturnsNumber, kMemory, {fd}, "of another size than it has");
  const UniqueFd unsealed(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(unsealed.get(), kMemory), 0);
  ExpectRefused(0, kMemory, {unsealed.get()}, "is not sealed");
  // Whoever reads it would make its pages.
  const UniqueFd sparse(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(sparse.get(), kMemory), 0);
  ASSERT_EQ(::fcntl(sparse.get(), F_ADD_SEALS, kSeals), 0);
  ExpectRefused(0, kMemory, {sparse.get()}, "has holes");
  std::array<int, 2> pipe;
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const UniqueFd in(pipe[0]);
  const UniqueFd out(pipe[1]);
  ExpectRefused(0, kMemory, {in.get()}, "is no memory");
}

TEST_F(HostileSharing, ThePageComesOnce) {
  const SealedMemory page = CreateSealedMemory(kReturnsSize).value();
  RawPeer peer = Connect();
  const std::string says = MemoryBytes(kReturnsNumber, kReturnsSize);
  ASSERT_TRUE(peer.SendWith(says, {page.fd.get()}));
  ASSERT_TRUE(peer.SendWith(says, {page.fd.get()}));
  ExpectBroken(peer, "which has come before");
}

TEST_F(HostileSharing, PartsThatAreNotThereEndTheConnection) {
  for (const SharedPart& part :
       std::vector<SharedPart>{{.memory = 1, .size = 10, .offset = 0},
                               {.memory = kReturnsNumber, .size = 10, .offset = 0},
                               {.memory = UINT32_MAX, .size = 10, .offset = 0},
                               {.memory = 0, .size = 10, .offset = kMemory - 9},
                               {.memory = 0, .size = kMemory + 1, .offset = 0},
                               {.memory = 0, .size = 10, .offset = UINT64_MAX},
                               {.memory = 0, .size = UINT32_MAX, .offset = UINT64_MAX - 5}}) {
    RawPeer peer = Connect();
    ASSERT_TRUE(peer.SendWith(MemoryBytes(0, kMemory), {memory_.fd.get()}));
    ASSERT_TRUE(peer.Send(Sharing(part)));
    ExpectBroken(peer, absl::StrCat("an attachment of ", part.size, " bytes at ", part.offset,
                                    " of memory ", part.memory));
  }
}

TEST_F(HostileSharing, MemoryMayBecomeAnother) {
  RawPeer peer = Connect();
  const SealedMemory longer = CreateSealedMemory(2 * kMemory).value();
  ASSERT_TRUE(peer.SendWith(MemoryBytes(5, kMemory), {memory_.fd.get()}));
  ASSERT_TRUE(peer.Send(Sharing({.memory = 5, .size = 100, .offset = 10})));
  EXPECT_EQ(StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)), absl::OkStatus());
  ASSERT_TRUE(peer.SendWith(MemoryBytes(5, 2 * kMemory), {longer.fd.get()}));
  ASSERT_TRUE(peer.Send(Sharing({.memory = 5, .size = 100, .offset = kMemory})));
  EXPECT_EQ(StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)), absl::OkStatus());
}

TEST_F(HostileSharing, ALongerPartThanIsAcceptedEndsItsCall) {
  RawPeer peer = Connect();
  const SealedMemory longer = CreateSealedMemory(2 * kMemory).value();
  ASSERT_TRUE(peer.SendWith(MemoryBytes(0, 2 * kMemory), {longer.fd.get()}));
  ASSERT_TRUE(peer.Send(Sharing({.memory = 0, .size = kMemory + 1, .offset = 0})));
  EXPECT_EQ(StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)).code(),
            absl::StatusCode::kResourceExhausted);
}

// The number alone is not enough: it may be that of root in a container.
TEST(BorrowedMemories, AreReadInPlaceFromTheSameUserAlone) {
  const SealedMemory memory = CreateSealedMemory(kMemory).value();
  const PeerIdentity self = {.address = "", .uid = ::geteuid(), .pid = ::getpid()};
  const PeerIdentity same_number = {.address = "", .uid = ::geteuid()};
  const PeerIdentity other = {.address = "", .uid = ::geteuid() + 1, .pid = ::getpid()};
  for (const PeerIdentity* const owner : {&self, &same_number, &other}) {
    const std::unique_ptr<BorrowedMemories> borrowed = BorrowedMemories::Make(*owner).value();
    EXPECT_FALSE(borrowed->readable_in_place()) << "before it is known whose they are";
    ASSERT_EQ(borrowed->Take(0, kMemory, memory.fd.get()), absl::OkStatus());
    EXPECT_EQ(borrowed->readable_in_place(), owner == &self);
  }
}

class HostileServersAttachments : public ChannelFixture {
 protected:
  HostileServersAttachments()
      : ChannelFixture(ChannelOptions{.limits = {.max_attachment = kLimit}}) {}
};

TEST_F(HostileServersAttachments, OverTheLimitEndTheirCallAsSoonAsThatIsKnown) {
  const FrameHeader response = {.kind = FrameKind::kResponse};
  bool first = true;
  RawPeer* peer = nullptr;
  std::unique_ptr<RawPeer> accepted;
  for (const std::string& frame : {Attached(response, kLimit + 1), Cut(response, kLimit + 1)}) {
    std::future<absl::StatusOr<Note>> call = Call();
    if (std::exchange(first, false)) {
      accepted = std::make_unique<RawPeer>(AcceptAndGreet());
      peer = accepted.get();
    }
    const OwnedFrame request = peer->ReceiveKind(FrameKind::kRequest);
    ASSERT_EQ(request.header.call, 0U);
    ASSERT_TRUE(peer->Send(frame));
    const absl::Status refused = call.get().status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(refused.message()),
                HasSubstr("received an attachment of 1001 bytes, where 1000 are accepted (raise "
                          "ChannelOptions::limits.max_attachment)"));
  }
  std::future<absl::StatusOr<Note>> call = Call();
  Answer(*peer, std::move(call));
}

}  // namespace
}  // namespace nigh::hostile
