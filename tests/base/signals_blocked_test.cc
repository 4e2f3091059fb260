#include "nigh/runtime/base/signals_blocked.h"

#include <signal.h>

#include <thread>

#include "gtest/gtest.h"

namespace nigh {
namespace {

bool IsBlocked(int signal) {
  sigset_t mask;
  return ::pthread_sigmask(SIG_SETMASK, nullptr, &mask) == 0 && sigismember(&mask, signal) == 1;
}

TEST(SignalsBlocked, AreAsBeforeInTheEnd) {
  sigset_t some;
  sigemptyset(&some);
  sigaddset(&some, SIGUSR2);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &some, nullptr), 0);
  {
    const SignalsBlocked blocked;
    EXPECT_TRUE(IsBlocked(SIGUSR1));
    EXPECT_TRUE(IsBlocked(SIGTERM));
  }
  EXPECT_FALSE(IsBlocked(SIGUSR1));
  EXPECT_TRUE(IsBlocked(SIGUSR2));
}

TEST(SignalsBlocked, StayBlockedInAThreadThatIsStartedMeanwhile) {
  bool inherited = false;
  std::thread thread;
  {
    const SignalsBlocked blocked;
    thread = std::thread([&] { inherited = IsBlocked(SIGTERM); });
  }
  thread.join();
  EXPECT_TRUE(inherited);
}

}  // namespace
}  // namespace nigh
