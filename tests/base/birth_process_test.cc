#include "nigh/runtime/base/birth_process.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace nigh {
namespace {

// Whether the child exits with 0.
bool Succeeds(pid_t child) {
  int end = 0;
  return ::waitpid(child, &end, 0) == child && WIFEXITED(end) && WEXITSTATUS(end) == 0;
}

TEST(BirthProcess, IsThisOneUntilAFork) {
  const BirthProcess before;
  EXPECT_TRUE(before.is_this());
  const pid_t child = ::fork();
  if (child == 0) {
    const BirthProcess own;
    bool right = !before.is_this() && own.is_this();
    // A child's child is neither of the two.
    const pid_t grandchild = ::fork();
    if (grandchild == 0) ::_exit(!before.is_this() && !own.is_this() ? 0 : 1);
    right = right && Succeeds(grandchild) && own.is_this();
    ::_exit(right ? 0 : 1);
  }
  EXPECT_TRUE(Succeeds(child));
  EXPECT_TRUE(before.is_this());
}

// No handler of the C library runs.
TEST(BirthProcess, SeesAForkOfTheKernels) {
  const BirthProcess before;
  const auto child =
      static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, 0));
  if (child == 0) ::_exit(before.is_this() ? 1 : 0);
  EXPECT_TRUE(Succeeds(child));
}

TEST(BirthProcess, ExitsOnlyWhereItIsInherited) {
  const BirthProcess before;
  before.ExitIfInherited();
  const pid_t child = ::fork();
  if (child == 0) {
    before.ExitIfInherited();
    ::_exit(0);
  }
  EXPECT_FALSE(Succeeds(child));
}

}  // namespace
}  // namespace nigh
