// How two processes come by each other's memory, and what they do about one that offers something
// else.

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/runtime/wire/refusal.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/rendezvous/sysv_family.h"
#include "nigh/transports/shm/memory.h"
#include "nigh/transports/shm/ring.h"
#include "nigh/transports/shm/shm.h"
#include "tests/contract/frames.h"
#include "tests/shm/raw_peer.h"
#include "tests/support/descriptors.h"
#include "tests/support/run_in_child.h"
#include "tests/support/temporary_folder.h"

namespace nigh::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uint32_t kRing = 128 * 1024;
constexpr size_t kMemory = kControlSize + kRing;

// Objects with names, of whatever user.
int NamedMemory() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
    count += absl::StartsWith(entry.path().filename().string(), "nigh-") ? 1 : 0;
  }
  constexpr SysvFamily kSegments = {.prefix = 0x6e6d, .table = "/proc/sysvipc/shm"};
  count += static_cast<int>(kSegments.Identifiers().size());
  return count;
}

class ShmTest : public ::testing::Test {
 protected:
  Address AddressWith(absl::string_view parameters) const {
    return MakeAddress(absl::StrCat("shm:", path_, parameters));
  }

  const TemporaryFolder folder_;
  const std::string& directory_ = folder_.path();
  const std::string path_ = folder_.PathOf("server");
};

class ShmMemoryTest : public ShmTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(ShmMemoryTest, CarriesFramesBothWaysAndLeavesNoName) {
  const int before = NamedMemory();
  const Address address = AddressWith(absl::StrCat("?memory=", GetParam(), "&ring=128KiB"));
  auto listener = ListenShm(address).value();
  auto pair = Connect({"shm", [](const Address& a) { return DialShm(a); }, nullptr}, *listener);
  ASSERT_TRUE(pair.ok()) << pair.status();
  for (uint32_t call = 0; call < 100; ++call) {
    ASSERT_TRUE(Send(*pair->client, call, Pattern(call, 3000)).ok());
    ASSERT_EQ(Receive(*pair->server).value().payload, Pattern(call, 3000));
    ASSERT_TRUE(Send(*pair->server, call, Pattern(call, 5000)).ok());
    ASSERT_EQ(Receive(*pair->client).value().payload, Pattern(call, 5000));
  }
  EXPECT_EQ(NamedMemory(), before) << "a name is left for others to find";
}

// Whoever goes first, and whether or not the other has attached anything.
TEST_P(ShmMemoryTest, LeavesNoNameWhenNobodyHasSaidAnything) {
  const int before = NamedMemory();
  const Address address = AddressWith(absl::StrCat("?memory=", GetParam(), "&ring=128KiB"));
  auto listener = ListenShm(address).value();
  for (const bool client_first : {true, false}) {
    auto client = DialShm(address).value();
    auto server = Accept(*listener).value();
    (client_first ? client : server).reset();
  }
  EXPECT_EQ(NamedMemory(), before);
}

// The maker goes with its attachment before the reader has come.
TEST_P(ShmMemoryTest, WhatWasSentOutlivesTheSender) {
  const Address address = AddressWith(absl::StrCat("?memory=", GetParam(), "&ring=128KiB"));
  auto listener = ListenShm(address).value();
  auto client = DialShm(address).value();
  auto server = Accept(*listener).value();
  ASSERT_TRUE(Send(*client, 1, "last words").ok());
  client.reset();
  EXPECT_EQ(Receive(*server).value().payload, "last words");
  EXPECT_EQ(ReceiveEnd(*server).code(), absl::StatusCode::kUnavailable);
}

TEST_P(ShmMemoryTest, EachSideChoosesForItself) {
  auto listener = ListenShm(AddressWith("?memory=posix")).value();
  auto client = DialShm(AddressWith(absl::StrCat("?memory=", GetParam(), "&ring=1MiB"))).value();
  auto server = Accept(*listener).value();
  const absl::Status exchanged = Exchange(*client, *server);
  // Where only one side asks for memory that cannot be sealed, the other has none of it.
  if (absl::string_view(GetParam()) == "memfd") {
    EXPECT_THAT(std::string(exchanged.message()),
                HasSubstr("offers posix memory, which cannot be sealed, and this side's address "
                          "does not ask for it"));
  } else {
    EXPECT_EQ(exchanged, absl::OkStatus());
  }
}

TEST_P(ShmMemoryTest, IsZeroesAndCanBeAttachedReadOnly) {
  const MemoryKind kind = ParseMemoryKind(GetParam()).value();
  const auto memory = CreateMemory(kind, kMemory).value();
  memory.mapping.bytes()[kMemory - 1] = std::byte{7};
  EXPECT_EQ(AttachMemory(memory.handle, kMemory * 2).status().code(),
            absl::StatusCode::kInvalidArgument);
  const auto attached = AttachMemory(memory.handle, kMemory);
  ASSERT_TRUE(attached.ok()) << attached.status();
  EXPECT_EQ(attached->bytes()[0], std::byte{0});
  EXPECT_EQ(attached->bytes()[kMemory - 1], std::byte{7});
}

INSTANTIATE_TEST_SUITE_P(Kinds, ShmMemoryTest, ::testing::Values("memfd", "posix", "sysv"),
                         [](const auto& test) { return test.param; });

// The attacks that a peer could try on a descriptor of sealed memory.
TEST(SealedMemoryTest, CannotBeWrittenGrownShrunkPunchedOrUnsealed) {
  const auto memory = CreateMemory(MemoryKind::kMemfd, kMemory).value();
  const int fd = memory.handle.fd.get();
  EXPECT_EQ(::mmap(nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
  void* const readable = ::mmap(nullptr, kMemory, PROT_READ, MAP_SHARED, fd, 0);
  ASSERT_NE(readable, MAP_FAILED);
  EXPECT_NE(::mprotect(readable, kMemory, PROT_READ | PROT_WRITE), 0);
  ::munmap(readable, kMemory);
  EXPECT_NE(::write(fd, "x", 1), 1);
  EXPECT_NE(::ftruncate(fd, 0), 0);
  EXPECT_NE(::ftruncate(fd, 2 * kMemory), 0);
  EXPECT_NE(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kMemory), 0);
  EXPECT_NE(::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
  const UniqueFd reopened(::open(absl::StrCat("/proc/self/fd/", fd).c_str(), O_RDWR));
  EXPECT_EQ(::mmap(nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_SHARED, reopened.get(), 0),
            MAP_FAILED);
  memory.mapping.bytes()[0] = std::byte{1};  // its owner still can
}

TEST(SweepTest, RemovesWhatAKilledProcessHasLeft) {
  RunInChild([] {
    // As one leaves it that is killed before it removes the name.
    (void)::shm_open(absl::StrCat("/nigh-", ::getpid(), "-00000000").c_str(), O_CREAT | O_RDWR,
                     0600);
    (void)::shmget(0x6e6d0042, 4096, IPC_CREAT | 0600);
  });
  EXPECT_GE(SweepMemory(MemoryKind::kPosix), 1);
  EXPECT_GE(SweepMemory(MemoryKind::kSysv), 1);
  EXPECT_EQ(SweepMemory(MemoryKind::kPosix), 0);
  EXPECT_EQ(SweepMemory(MemoryKind::kSysv), 0);
}

TEST(SweepTest, LeavesTheLivingAlone) {
  const std::string name = absl::StrCat("/nigh-", ::getpid(), "-00000000");
  const UniqueFd mine(::shm_open(name.c_str(), O_CREAT | O_RDWR, 0600));
  ASSERT_TRUE(mine);
  EXPECT_EQ(SweepMemory(MemoryKind::kPosix), 0);
  EXPECT_EQ(::shm_unlink(name.c_str()), 0);
}

TEST_F(ShmTest, AddressesThatCannotWorkAreRefused) {
  const auto refusal = [&](absl::string_view parameters) {
    const Address address = AddressWith(parameters);
    const absl::Status dialled = DialShm(address).status();
    EXPECT_EQ(ListenShm(address).status(), dialled);
    EXPECT_EQ(dialled.code(), absl::StatusCode::kInvalidArgument) << dialled;
    return std::string(dialled.message());
  };
  EXPECT_THAT(refusal("?memory=disk"), HasSubstr("memory=disk (use memfd, posix or sysv)"));
  EXPECT_THAT(refusal("?doorbell=knocker"),
              HasSubstr("doorbell=knocker (use eventfd, futex, posix-sem, sysv-sem or signal)"));
  for (const char* ring : {"1", "100KiB", "192KiB", "128MiB", "x", "-1", "99999999999999999999"}) {
    EXPECT_THAT(refusal(absl::StrCat("?ring=", ring)),
                HasSubstr("(use a power of two from 128KiB to 64MiB)"));
  }
  EXPECT_THAT(refusal("?colour=blue"), HasSubstr("colour"));
  EXPECT_EQ(DialShm({.scheme = "shm", .name = "", .parameters = {}}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(ShmTest, ANameIsMetInAFolderOfTheUser) {
  const std::string name = absl::StrCat("meeting-test-", ::getpid());
  const std::string socket = absl::StrCat("/tmp/nigh-", ::geteuid(), "/", name);
  const Address address = MakeAddress("shm:" + name);
  auto listener = ListenShm(address).value();
  EXPECT_TRUE(std::filesystem::is_socket(socket));
  EXPECT_TRUE(DialShm(address).ok());
  EXPECT_EQ(ListenShm(address).status().code(), absl::StatusCode::kAlreadyExists);
  listener.reset();
  EXPECT_FALSE(std::filesystem::exists(socket));
}

// A listener that goes on listening whatever comes.
class HostileMeetingTest : public ShmTest {
 protected:
  HostileMeetingTest() : listener_(ListenShm(AddressWith("")).value()) {
    descriptors_ = OpenDescriptors();
  }
  ~HostileMeetingTest() override {
    EXPECT_EQ(OpenDescriptors(), descriptors_) << "descriptors have leaked";
    auto client = DialShm(AddressWith("")).value();
    auto server = Accept(*listener_).value();
    EXPECT_EQ(Exchange(*client, *server), absl::OkStatus()) << "the listener is the worse for it";
  }

  void ListenWith(absl::string_view parameters) {
    listener_.reset();
    listener_ = ListenShm(AddressWith(parameters)).value();
  }

  // What the server makes of what `peer` does.
  absl::Status EndAfter(const std::function<void(RawPeer&)>& acts) {
    RawPeer peer(path_);
    auto server = Accept(*listener_).value();
    acts(peer);
    absl::Status end = ReceiveEnd(*server);
    EXPECT_THAT(std::string(end.message()), StartsWith("shm:" + path_));
    EXPECT_EQ(Send(*server, 1, "x").code(), end.code());
    return end;
  }
  void ExpectRefusal(const std::function<void(RawPeer&)>& acts, absl::string_view because,
                     absl::StatusCode code = absl::StatusCode::kInternal) {
    const absl::Status end = EndAfter(acts);
    EXPECT_EQ(end.code(), code) << end;
    EXPECT_THAT(std::string(end.message()), HasSubstr(std::string(because)));
  }

  std::unique_ptr<Listener> listener_;
  int descriptors_ = 0;
};

TEST_F(HostileMeetingTest, OffersThatLieAreRefused) {
  const UniqueFd good = MakeMemfd(kMemory, kAllSeals);
  const auto refuse = [&](const OfferBytes& offer, absl::string_view because) {
    ExpectRefusal([&](RawPeer& peer) { peer.Send(offer.Encode(), {good.get()}); }, because);
  };
  refuse({.magic = "NIGH SHM"}, "does not speak nigh's protocol (it began \"NIGH SHM");
  refuse({.memory = 0}, "of memory of kind 0");
  refuse({.memory = 4}, "of memory of kind 4");
  refuse({.bells = 6}, "a bell of kind 6");
  refuse({.ring_size = 0}, "a ring of 0 bytes");
  refuse({.ring_size = 64 * 1024}, "a ring of 65536 bytes");
  refuse({.ring_size = 128 * 1024 + 4096}, "a ring of 135168 bytes");
  refuse({.ring_size = 1u << 31}, "a ring of 2147483648 bytes");
  refuse({.ring_size = 256 * 1024}, "has 135168 bytes instead of 266240");
  refuse({.bell = std::string(11, '\0') + "x"}, "bytes that mean nothing");
  refuse({.bell = ""}, "has 28 bytes instead of 40");
  refuse({.rest = "x"}, "has 41 bytes instead of 40");
  refuse({.bulk_size = (1 << 20) + 1}, "a bulk region of 1048577 bytes");
  refuse({.bulk_size = (1 << 30) + (1 << 20)}, "a bulk region of 1074790400 bytes");
  refuse({.bulk_size = 1 << 20}, "1 descriptors instead of 2");
  refuse({.bells = 1}, "1 descriptors instead of 3");
  refuse({.memory = 3}, "1 descriptors instead of 0");
}

TEST_F(HostileMeetingTest, AClientDoesNotRefuseAServer) {
  const std::string refusal = EncodeRefusal(absl::PermissionDeniedError("go\naway"));
  ExpectRefusal(
      [&](RawPeer& peer) { peer.Send(refusal); },
      "the client sent a refusal in the place of its offer of memory, which only a server "
      "may (it said \"go\\naway\")");
}

TEST_F(HostileMeetingTest, AnotherVersionIsUnavailable) {
  ExpectRefusal([](RawPeer& peer) { peer.Send(OfferBytes{.version = 3}.Encode()); },
                "version 3 of nigh's shared memory, this side 2", absl::StatusCode::kUnavailable);
}

TEST_F(HostileMeetingTest, DescriptorsThatAreNotWhatTheyAreSaidToBeAreRefused) {
  const auto refuse = [&](const std::vector<int>& fds, absl::string_view because) {
    ExpectRefusal([&](RawPeer& peer) { peer.Send(OfferBytes().Encode(), fds); }, because);
  };
  const UniqueFd unsealed = MakeMemfd(kMemory, 0);
  const UniqueFd half_sealed = MakeMemfd(kMemory, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  const UniqueFd shrinkable = MakeMemfd(kMemory, F_SEAL_FUTURE_WRITE | F_SEAL_GROW | F_SEAL_SEAL);
  const UniqueFd small = MakeMemfd(kMemory - 1, kAllSeals);
  const UniqueFd large = MakeMemfd(kMemory + 4096, kAllSeals);
  const UniqueFd bell(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  const UniqueFd file(::open((directory_ + "/file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::ftruncate(file.get(), kMemory), 0);
  const UniqueFd good = MakeMemfd(kMemory, kAllSeals);
  refuse({}, "has 0 descriptors instead of 1");
  refuse({good.get(), good.get()}, "has 2 descriptors instead of 1");
  refuse(std::vector<int>(10, good.get()), "descriptors instead of 1");
  refuse({unsealed.get()}, "is not sealed");
  refuse({half_sealed.get()}, "is not sealed");
  refuse({shrinkable.get()}, "is not sealed");
  refuse({small.get()}, "has 135167 bytes instead of 135168");
  refuse({large.get()}, "has 139264 bytes instead of 135168");
  refuse({bell.get()}, "is no memory");
  refuse({file.get()}, "");
  const auto refuse_kind = [&](absl::string_view for_2, absl::string_view for_3) {
    ExpectRefusal(
        [&](RawPeer& peer) { peer.Send(OfferBytes{.memory = 2}.Encode(), {unsealed.get()}); },
        for_2);
    ExpectRefusal(
        [&](RawPeer& peer) { peer.Send(OfferBytes{.memory = 3, .id = 1 << 30}.Encode()); }, for_3);
  };
  refuse_kind("offers posix memory, which cannot be sealed", "offers sysv memory, which cannot be");
  ListenWith("?memory=posix");
  refuse_kind("is writable", "shmctl: Invalid argument");
  ListenWith("");
}

TEST_F(HostileMeetingTest, DyingAtAnyStepIsUnavailable) {
  const auto dies = [&](const std::function<void(RawPeer&)>& acts) {
    ExpectRefusal(
        [&](RawPeer& peer) {
          acts(peer);
          peer.HangUp();
        },
        "the peer closed the connection", absl::StatusCode::kUnavailable);
  };
  dies([](RawPeer&) {});
  dies([](RawPeer& peer) { peer.Attach(); });
  dies([](RawPeer& peer) { peer.Offer(); });
  dies([](RawPeer& peer) { peer.Attach() && peer.Offer(); });
}

// The server has taken the offer and waits.
TEST_F(HostileMeetingTest, LettersThatAreNoneAreRefused) {
  for (const std::string letter : {"x", "dd", "nigh shm"}) {
    ExpectRefusal([&](RawPeer& peer) { peer.Attach() && peer.Offer() && peer.Send(letter); },
                  "a message that is no letter");
  }
}

TEST_F(HostileMeetingTest, AStormOfLettersIsRefused) {
  ExpectRefusal(
      [&](RawPeer& peer) {
        ASSERT_TRUE(peer.Attach() && peer.Offer());
        while (peer.Send("d")) {
        }
      },
      "the peer rings where nobody sleeps");
}

TEST_F(HostileMeetingTest, AnEmptyMessageIsAnEnd) {
  ExpectRefusal([&](RawPeer& peer) { peer.Attach() && peer.Offer() && peer.Send(""); },
                "the peer closed the connection", absl::StatusCode::kUnavailable);
}

// A pipe could block who rings it, or kill it.
TEST_F(HostileMeetingTest, BellsThatAreNoneAreNotRung) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const UniqueFd out(pipe[0]);
  const UniqueFd in(pipe[1]);
  const UniqueFd memory = MakeMemfd(kMemory, kAllSeals);
  {
    RawPeer peer(path_);
    auto server = Accept(*listener_).value();
    ASSERT_TRUE(peer.Attach());
    // Zeroes: a reader that sleeps where the first byte will be.
    ASSERT_TRUE(peer.Send(OfferBytes{.bells = 1}.Encode(), {memory.get(), in.get(), in.get()}));
    EXPECT_EQ(TryReceive(*server).value(), std::nullopt);
    ASSERT_TRUE(Send(*server, 1, "x").ok());
    EXPECT_EQ(peer.NextLetter(), 'd');
    ASSERT_EQ(::fcntl(out.get(), F_SETFL, O_NONBLOCK), 0);
    char byte;
    EXPECT_LT(::read(out.get(), &byte, 1), 0) << "the pipe was rung";
  }
}

// The offer wakes who sleeps until it comes, but somebody who sends may have been quicker to take
// it.
TEST_F(HostileMeetingTest, AnOfferThatASenderTakesWakesTheReceiver) {
  RawPeer peer(path_);
  auto server = Accept(*listener_).value();
  EXPECT_EQ(TryReceive(*server).value(), std::nullopt);
  const Wake wake = server->Arm(Interest::kReceive);
  ASSERT_TRUE(peer.Offer());
  ASSERT_TRUE(Send(*server, 1, "x").ok());
  // Nobody has said that he sleeps, and so no letter comes.
  ASSERT_TRUE(peer.Attach());
  EXPECT_EQ(peer.their_page().data_mark.load(), kNoMark);
  EncodeFrameHeader({.kind = FrameKind::kMessage, .call = 5}, peer.data().data());
  peer.page().tail = kRecordAlignment;
  ASSERT_TRUE(Await(wake));
  EXPECT_EQ(Receive(*server).value().header.call, 5u);
}

TEST_F(HostileMeetingTest, LettersWakeWhoeverSleeps) {
  RawPeer peer(path_);
  auto server = Accept(*listener_).value();
  ASSERT_TRUE(peer.Attach() && peer.Offer());
  EXPECT_EQ(TryReceive(*server).value(), std::nullopt);
  const Wake wake = server->Arm(Interest::kReceive);
  ASSERT_FALSE(wake.ready());
  EXPECT_EQ(peer.their_page().data_mark.load(), 0u);
  EncodeFrameHeader({.kind = FrameKind::kMessage, .call = 5}, peer.data().data());
  peer.page().tail = kRecordAlignment;
  ASSERT_TRUE(peer.Send("d"));
  EXPECT_TRUE(Await(wake));
  EXPECT_EQ(Receive(*server).value().header.call, 5u);
  peer.HangUp();
  EXPECT_EQ(ReceiveEnd(*server).code(), absl::StatusCode::kUnavailable);
  server.reset();
}

}  // namespace
}  // namespace nigh::testing
