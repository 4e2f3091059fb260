// Every kind of bell, between two threads and between two processes.

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/shm/bell.h"
#include "nigh/transports/shm/control_page.h"
#include "nigh/transports/shm/memory.h"
#include "tests/support/descriptors.h"
#include "tests/support/run_in_child.h"

namespace nigh::testing {
namespace {

constexpr int kPatience = 60'000;  // milliseconds

// Whether that sleeper has been woken; takes the signal.
bool IsAwake(const Sleepers& sleepers, BellLetter which, int patience) {
  pollfd entry = {.fd = sleepers.fd(which), .events = POLLIN, .revents = 0};
  eventfd_t count;
  return ::poll(&entry, 1, patience) == 1 && ::eventfd_read(entry.fd, &count) == 0;
}

// Of this process, as folders of /proc.
std::set<std::string> Threads() {
  std::set<std::string> threads;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    threads.insert(entry.path().string());
  }
  return threads;
}

bool BlocksSignal(const std::string& thread, int signal) {
  std::ifstream status(thread + "/status");
  for (std::string line; std::getline(status, line);) {
    absl::string_view mask = line;
    uint64_t blocked = 0;
    if (absl::ConsumePrefix(&mask, "SigBlk:") && absl::SimpleHexAtoi(mask, &blocked)) {
      return (blocked >> (signal - 1) & 1) != 0;
    }
  }
  return false;
}

// What a connection has of a bell: the page in which the peer counts, a socket to shut down.
struct Side {
  Side() {
    memory = CreateMemory(MemoryKind::kMemfd, kControlSize).value();
    page = new (memory.mapping.bytes().data()) ControlPage();
    std::array<int, 2> ends;
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    socket.reset(ends[0]);
    other_end.reset(ends[1]);
  }
  std::unique_ptr<OwnBell> Make(BellKind kind) {
    absl::StatusOr<std::unique_ptr<OwnBell>> bell = MakeBell(kind, sleepers, socket.get());
    EXPECT_TRUE(bell.ok()) << bell.status();
    return *std::move(bell);
  }
  bool IsShutDown(int patience) const {
    pollfd entry = {.fd = other_end.get(), .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, patience) == 1;
  }

  OwnMemory memory;
  ControlPage* page = nullptr;  // the ringer's
  Sleepers sleepers;
  UniqueFd socket;
  UniqueFd other_end;
};

class BellTest : public ::testing::TestWithParam<BellKind> {
 protected:
  Side side_;
};

TEST_P(BellTest, WakesTheSleeperThatIsMeantAndNoOther) {
  const auto bell = side_.Make(GetParam());
  const auto peer = AttachBell(bell->Handle().value(), side_.page->rung, ::getpid());
  ASSERT_NE(peer, nullptr);
  ASSERT_TRUE(bell->Listen(side_.page->rung).ok());
  for (int i = 0; i < 1000; ++i) {
    const auto [meant, other] = i % 3 == 0 ? std::pair(BellLetter::kRoom, BellLetter::kData)
                                           : std::pair(BellLetter::kData, BellLetter::kRoom);
    ASSERT_TRUE(peer->Ring(meant));
    ASSERT_TRUE(IsAwake(side_.sleepers, meant, kPatience)) << i;
    ASSERT_FALSE(IsAwake(side_.sleepers, other, 0)) << i;
  }
  EXPECT_FALSE(side_.IsShutDown(0));
}

TEST_P(BellTest, RemembersWhatWasRungBeforeAnybodyListened) {
  const auto bell = side_.Make(GetParam());
  const auto peer = AttachBell(bell->Handle().value(), side_.page->rung, ::getpid());
  ASSERT_TRUE(peer->Ring(BellLetter::kRoom));
  ASSERT_TRUE(bell->Listen(side_.page->rung).ok());
  EXPECT_TRUE(IsAwake(side_.sleepers, BellLetter::kRoom, kPatience));
}

TEST_P(BellTest, IsRungByAnotherProcess) {
  const auto bell = side_.Make(GetParam());
  BellHandle handle = bell->Handle().value();
  ASSERT_TRUE(bell->Listen(side_.page->rung).ok());
  const pid_t me = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) {
    const auto peer = AttachBell(std::move(handle), side_.page->rung, me);
    ::_exit(peer != nullptr && peer->Ring(BellLetter::kData) ? 0 : 1);
  }
  EXPECT_TRUE(IsAwake(side_.sleepers, BellLetter::kData, kPatience));
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// A ring that came while the ear was busy with the other is heard.
TEST_P(BellTest, RungByTwoThreadsAtOnceWakesBoth) {
  const auto bell = side_.Make(GetParam());
  const auto peer = AttachBell(bell->Handle().value(), side_.page->rung, ::getpid());
  ASSERT_TRUE(bell->Listen(side_.page->rung).ok());
  const auto ring_and_wake = [&](BellLetter which) {
    for (int i = 0; i < 2000; ++i) {
      ASSERT_TRUE(peer->Ring(which));
      ASSERT_TRUE(IsAwake(side_.sleepers, which, kPatience)) << i;
    }
  };
  std::thread room(ring_and_wake, BellLetter::kRoom);
  ring_and_wake(BellLetter::kData);
  room.join();
}

TEST_P(BellTest, LeavesNothingBehind) {
  const int before = OpenDescriptors();
  for (int i = 0; i < 100; ++i) {
    const auto bell = side_.Make(GetParam());
    const auto peer = AttachBell(bell->Handle().value(), side_.page->rung, ::getpid());
    // Half of them are never listened to.
    if (i % 2 == 0) {
      ASSERT_TRUE(bell->Listen(side_.page->rung).ok());
    }
    ASSERT_TRUE(peer->Ring(BellLetter::kData));
  }
  EXPECT_EQ(OpenDescriptors(), before);
  EXPECT_EQ(SweepBells(GetParam()), 0);
}

// Handlers of the program run in threads of the program.
TEST_P(BellTest, TakesNoSignalOfTheProgram) {
  const std::set<std::string> before = Threads();
  const auto bell = side_.Make(GetParam());
  ASSERT_TRUE(bell->Listen(side_.page->rung).ok());
  for (const std::string& thread : Threads()) {
    EXPECT_TRUE(before.contains(thread) || BlocksSignal(thread, SIGTERM)) << thread;
  }
}

TEST_P(BellTest, NamesThatAreWrittenCanBeRead) {
  EXPECT_EQ(ParseBellKind(BellKindName(GetParam())), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Kinds, BellTest,
                         ::testing::Values(BellKind::kEventfd, BellKind::kFutex,
                                           BellKind::kPosixSem, BellKind::kSysvSem,
                                           BellKind::kSignal),
                         [](const auto& test) {
                           return absl::StrReplaceAll(BellKindName(test.param), {{"-", "_"}});
                         });

TEST(SysvSemBellTest, IsSweptWhenItsMakerWasKilledAndNotBefore) {
  Side side;
  const auto living = side.Make(BellKind::kSysvSem);
  RunInChild([] {
    Side dead;
    const auto bell = dead.Make(BellKind::kSysvSem);
    ::raise(SIGKILL);
  });
  EXPECT_EQ(SweepBells(BellKind::kSysvSem), 1);
  EXPECT_EQ(SweepBells(BellKind::kSysvSem), 0);
  const auto peer = AttachBell(living->Handle().value(), side.page->rung, ::getpid());
  EXPECT_TRUE(peer->Ring(BellLetter::kData));
}

TEST(SysvSemBellTest, ThatSomebodyRemovesEndsTheConnection) {
  Side side;
  const auto bell = side.Make(BellKind::kSysvSem);
  const BellHandle handle = bell->Handle().value();
  ASSERT_TRUE(bell->Listen(side.page->rung).ok());
  ASSERT_EQ(::semctl(static_cast<int>(handle.words[0]), 0, IPC_RMID), 0);
  EXPECT_TRUE(side.IsShutDown(kPatience));
}

TEST(PosixSemBellTest, OnlySealedMemoryOfItsSizeIsOne) {
  Side side;
  const auto attach = [&](UniqueFd fd) {
    BellHandle handle = {.kind = BellKind::kPosixSem};
    handle.fds.push_back(std::move(fd));
    return AttachBell(std::move(handle), side.page->rung, ::getpid());
  };
  EXPECT_EQ(attach(UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC))), nullptr);
  EXPECT_EQ(attach(UniqueFd(::dup(side.socket.get()))), nullptr);
}

TEST(SignalBellTest, OfAnotherProcessThanTheKernelSaysIsNotRung) {
  Side side;
  const auto bell = side.Make(BellKind::kSignal);
  EXPECT_EQ(AttachBell(bell->Handle().value(), side.page->rung, ::getppid()), nullptr);
  EXPECT_EQ(AttachBell(bell->Handle().value(), side.page->rung, std::nullopt), nullptr);
}

// The ring is then a letter. The limit is that of who receives.
TEST(SignalBellTest, CannotBeRungWhenTheSystemQueuesNoMoreSignals) {
  Side side;
  const auto bell = side.Make(BellKind::kSignal);
  const auto peer = AttachBell(bell->Handle().value(), side.page->rung, ::getpid());
  rlimit usual;
  ASSERT_EQ(::getrlimit(RLIMIT_SIGPENDING, &usual), 0);
  const rlimit none = {.rlim_cur = 0, .rlim_max = usual.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_SIGPENDING, &none), 0);
  EXPECT_FALSE(peer->Ring(BellLetter::kData));
  ASSERT_EQ(::setrlimit(RLIMIT_SIGPENDING, &usual), 0);
  EXPECT_TRUE(peer->Ring(BellLetter::kData));
}

// The program's own masks and handlers are as they were.
TEST(SignalBellTest, ConcernsNoThreadOfTheProgram) {
  sigset_t before;
  sigset_t after;
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, nullptr, &before), 0);
  Side side;
  const auto bell = side.Make(BellKind::kSignal);
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, nullptr, &after), 0);
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    EXPECT_EQ(sigismember(&before, signal), sigismember(&after, signal)) << signal;
  }
}

}  // namespace
}  // namespace nigh::testing
