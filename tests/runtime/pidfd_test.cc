#include "nigh/runtime/base/pidfd.h"

#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "gtest/gtest.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {
namespace {

UniqueFd PidfdOf(pid_t process) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
}

TEST(Pidfd, OneProcessIsToldFromAnother) {
  const UniqueFd own = PidfdOf(::getpid());
  const UniqueFd again = PidfdOf(::getpid());
  ASSERT_TRUE(own && again);
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  const UniqueFd other = PidfdOf(child);
  ASSERT_TRUE(other);
  struct statfs system;
  ASSERT_EQ(::fstatfs(own.get(), &system), 0);
  constexpr unsigned kPidFileSystem = 0x50494446;
  EXPECT_EQ(AreOfOneProcess(own.get(), again.get()),
            static_cast<unsigned>(system.f_type) == kPidFileSystem)
      << "before Linux 6.9 nothing tells";
  EXPECT_FALSE(AreOfOneProcess(own.get(), other.get()));
  EXPECT_FALSE(AreOfOneProcess(own.get(), -1));
  EXPECT_FALSE(AreOfOneProcess(-1, own.get()));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace nigh
