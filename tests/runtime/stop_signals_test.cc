#include "nigh/runtime/loop/stop_signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>

#include "gtest/gtest.h"

namespace nigh {
namespace {

volatile sig_atomic_t handled_before = 0;
constexpr std::atomic<bool> kHeeds = true;

bool IsReadable(int fd) {
  pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, 0) == 1;
}

void Drain(int fd) {
  eventfd_t ignored;
  ASSERT_EQ(::eventfd_read(fd, &ignored), 0);
}

class StopSignalsTest : public ::testing::Test {
 protected:
  StopSignalsTest() {
    struct sigaction action = {};
    action.sa_handler = [](int) { handled_before = handled_before + 1; };
    ::sigaction(SIGTERM, &action, &original_);
    handled_before = 0;
  }
  ~StopSignalsTest() override { ::sigaction(SIGTERM, &original_, nullptr); }

 private:
  struct sigaction original_;
};

TEST_F(StopSignalsTest, SignalMakesTheDescriptorReadableInsteadOfEndingTheProcess) {
  const StopSignals signals(kHeeds);
  for (const int signal : {SIGINT, SIGTERM}) {
    EXPECT_FALSE(IsReadable(signals.fd()));
    ASSERT_EQ(::raise(signal), 0);
    EXPECT_TRUE(IsReadable(signals.fd()));
    Drain(signals.fd());
  }
  EXPECT_EQ(handled_before, 0);
}

TEST_F(StopSignalsTest, SignalOnAnyThreadCounts) {
  const StopSignals signals(kHeeds);
  // NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread): it is what is tested
  std::thread([] { ::pthread_kill(::pthread_self(), SIGTERM); }).join();
  EXPECT_TRUE(IsReadable(signals.fd()));
}

TEST_F(StopSignalsTest, TheThirdSignalDoesWhatItWouldHaveDone) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer holds signals back in children of fork(2)";
#endif
  const pid_t child = ::fork();
  if (child == 0) {
    const StopSignals signals(kHeeds);
    ::raise(SIGTERM);
    ::raise(SIGINT);
    if (signals.count() != 2) ::_exit(2);
    // The program has a handler for this one, and none for the other.
    ::raise(SIGTERM);
    if (handled_before != 1) ::_exit(3);
    ::raise(SIGINT);
    ::_exit(4);
  }
  int end = 0;
  ASSERT_EQ(::waitpid(child, &end, 0), child);
  EXPECT_TRUE(WIFSIGNALED(end)) << WEXITSTATUS(end);
  EXPECT_EQ(WTERMSIG(end), SIGINT);
}

TEST_F(StopSignalsTest, AChildOfForkIsNotItsParent) {
  const StopSignals signals(kHeeds);
  const pid_t child = ::fork();
  if (child == 0) {
    ::raise(SIGINT);
    ::_exit(2);
  }
  int end = 0;
  ASSERT_EQ(::waitpid(child, &end, 0), child);
  EXPECT_TRUE(WIFSIGNALED(end));
  EXPECT_EQ(signals.count(), 0);
  EXPECT_FALSE(IsReadable(signals.fd()));
}

TEST_F(StopSignalsTest, TheyNeedNotEndInTheOrderInWhichTheyBegan) {
  auto first = std::make_unique<StopSignals>(kHeeds);
  const StopSignals second(kHeeds);
  first = nullptr;
  ASSERT_EQ(::raise(SIGTERM), 0);
  EXPECT_TRUE(IsReadable(second.fd()));
  EXPECT_EQ(handled_before, 0);
}

TEST_F(StopSignalsTest, WhatHandledTheSignalsBeforeIsRestored) {
  { const StopSignals signals(kHeeds); }
  ASSERT_EQ(::raise(SIGTERM), 0);
  EXPECT_EQ(handled_before, 1);
}

TEST_F(StopSignalsTest, LastOneMadeGetsTheSignals) {
  const StopSignals outer(kHeeds);
  {
    const StopSignals inner(kHeeds);
    ASSERT_EQ(::raise(SIGTERM), 0);
    EXPECT_TRUE(IsReadable(inner.fd()));
    EXPECT_FALSE(IsReadable(outer.fd()));
  }
  ASSERT_EQ(::raise(SIGTERM), 0);
  EXPECT_TRUE(IsReadable(outer.fd()));
}

// How a child ends that raises `signal` with a StopSignals, and then exits.
int EndOfChildThatRaises(int signal, bool heeds_terminal) {
  const pid_t child = ::fork();
  if (child == 0) {
    const std::atomic<bool> heeds = heeds_terminal;
    const StopSignals signals(heeds);
    for (int i = 0; i < 5; ++i) ::raise(signal);
    ::_exit(signals.count());
  }
  int end = 0;
  ::waitpid(child, &end, 0);
  return end;
}

TEST_F(StopSignalsTest, WhatATerminalSendsMayBeAnothersBusiness) {
  for (const int signal : {SIGINT, SIGHUP}) {
    EXPECT_EQ(EndOfChildThatRaises(signal, /*heeds_terminal=*/false), 0);
    EXPECT_EQ(EndOfChildThatRaises(signal, /*heeds_terminal=*/true), signal);
  }
}

TEST_F(StopSignalsTest, TerminationIsHeededAllTheSame) {
  const std::atomic<bool> heeds = false;
  const StopSignals signals(heeds);
  ASSERT_EQ(::raise(SIGTERM), 0);
  EXPECT_EQ(signals.count(), 1);
}

TEST_F(StopSignalsTest, AHandlerForHangupsStays) {
  struct sigaction own = {};
  own.sa_handler = [](int) { handled_before = handled_before + 1; };
  struct sigaction before;
  ::sigaction(SIGHUP, &own, &before);
  {
    const StopSignals signals(kHeeds);
    ASSERT_EQ(::raise(SIGHUP), 0);
  }
  ASSERT_EQ(::raise(SIGHUP), 0);
  EXPECT_EQ(handled_before, 2);
  ::sigaction(SIGHUP, &before, nullptr);
}

}  // namespace
}  // namespace nigh
