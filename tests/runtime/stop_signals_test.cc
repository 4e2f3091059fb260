#include "nigh/runtime/loop/stop_signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <thread>

#include "gtest/gtest.h"

namespace nigh {
namespace {

volatile sig_atomic_t handled_before = 0;

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
  const StopSignals signals;
  for (const int signal : {SIGINT, SIGTERM}) {
    EXPECT_FALSE(IsReadable(signals.fd()));
    ASSERT_EQ(::raise(signal), 0);
    EXPECT_TRUE(IsReadable(signals.fd()));
    Drain(signals.fd());
  }
  EXPECT_EQ(handled_before, 0);
}

TEST_F(StopSignalsTest, SignalOnAnyThreadCounts) {
  const StopSignals signals;
  // NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread): it is what is tested
  std::thread([] { ::pthread_kill(::pthread_self(), SIGTERM); }).join();
  EXPECT_TRUE(IsReadable(signals.fd()));
}

TEST_F(StopSignalsTest, TheThirdSignalDoesWhatItWouldHaveDone) {
  const pid_t child = ::fork();
  if (child == 0) {
    const StopSignals signals;
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
  const StopSignals signals;
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
  auto first = std::make_unique<StopSignals>();
  const StopSignals second;
  first = nullptr;
  ASSERT_EQ(::raise(SIGTERM), 0);
  EXPECT_TRUE(IsReadable(second.fd()));
  EXPECT_EQ(handled_before, 0);
}

TEST_F(StopSignalsTest, WhatHandledTheSignalsBeforeIsRestored) {
  { const StopSignals signals; }
  ASSERT_EQ(::raise(SIGTERM), 0);
  EXPECT_EQ(handled_before, 1);
}

TEST_F(StopSignalsTest, LastOneMadeGetsTheSignals) {
  const StopSignals outer;
  {
    const StopSignals inner;
    ASSERT_EQ(::raise(SIGTERM), 0);
    EXPECT_TRUE(IsReadable(inner.fd()));
    EXPECT_FALSE(IsReadable(outer.fd()));
  }
  ASSERT_EQ(::raise(SIGTERM), 0);
  EXPECT_TRUE(IsReadable(outer.fd()));
}

}  // namespace
}  // namespace nigh
