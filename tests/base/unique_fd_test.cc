#include "nigh/transport/unique_fd.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "gtest/gtest.h"

namespace nigh {
namespace {

UniqueFd Open() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }
bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

TEST(UniqueFd, ClosesWhatItOwns) {
  int fd;
  {
    const UniqueFd owner = Open();
    fd = owner.get();
    ASSERT_TRUE(owner);
    EXPECT_TRUE(IsOpen(fd));
  }
  EXPECT_FALSE(IsOpen(fd));
}

TEST(UniqueFd, OwnsNothingByDefault) {
  UniqueFd none;
  EXPECT_FALSE(none);
  EXPECT_EQ(none.get(), -1);
}

TEST(UniqueFd, MoveHandsOver) {
  UniqueFd from = Open();
  const int fd = from.get();
  UniqueFd to = std::move(from);
  EXPECT_EQ(to.get(), fd);
  EXPECT_FALSE(from);  // NOLINT(bugprone-use-after-move)
  EXPECT_TRUE(IsOpen(fd));
}

TEST(UniqueFd, AssignmentClosesTheFormer) {
  UniqueFd owner = Open();
  UniqueFd other = Open();
  const int former = owner.get();
  owner = std::move(other);
  EXPECT_FALSE(IsOpen(former));
  EXPECT_TRUE(IsOpen(owner.get()));
}

TEST(UniqueFd, ReleaseGivesUpOwnership) {
  UniqueFd owner = Open();
  const int fd = owner.release();
  EXPECT_FALSE(owner);
  EXPECT_TRUE(IsOpen(fd));
  owner.reset(fd);
  owner.reset();
  EXPECT_FALSE(IsOpen(fd));
}

// Runs `check` in a child of fork(3).
template <class Check>
bool IsTrueInChild(Check check) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(check() ? 0 : 1);
  int end = 0;
  return ::waitpid(child, &end, 0) == child && WIFEXITED(end) && WEXITSTATUS(end) == 0;
}

bool IsNull(int fd) {
  struct stat file;
  struct stat null;
  return ::fstat(fd, &file) == 0 && ::stat("/dev/null", &null) == 0 && S_ISCHR(file.st_mode) &&
         file.st_rdev == null.st_rdev;
}

bool IsEvent(int fd) { return ::eventfd_write(fd, 1) == 0; }

UniqueFd Event() { return UniqueFd(::eventfd(0, EFD_CLOEXEC)); }

TEST(KeptFromChildren, IsDevNullInAChild) {
  const UniqueFd kept = Event().KeptFromChildren();
  const UniqueFd shared = Event();
  EXPECT_TRUE(IsTrueInChild([&] { return IsNull(kept.get()) && !IsNull(shared.get()); }));
  EXPECT_FALSE(IsNull(kept.get()));
}

TEST(KeptFromChildren, LastsAsLongAsItIsOwned) {
  UniqueFd kept = Event().KeptFromChildren();
  UniqueFd moved = std::move(kept);
  EXPECT_TRUE(IsTrueInChild([&] { return IsNull(moved.get()); }));
  UniqueFd assigned;
  assigned = std::move(moved);
  EXPECT_TRUE(IsTrueInChild([&] { return IsNull(assigned.get()); }));
  // The number is another's.
  const UniqueFd source = Event();
  const int fd = assigned.get();
  assigned.reset();
  const UniqueFd other(::fcntl(source.get(), F_DUPFD_CLOEXEC, fd));
  ASSERT_EQ(other.get(), fd);
  EXPECT_TRUE(IsTrueInChild([&] { return !IsNull(other.get()); }));
  UniqueFd released = Event().KeptFromChildren();
  const UniqueFd owner(released.release());
  EXPECT_TRUE(IsTrueInChild([&] { return !IsNull(owner.get()); }));
}

TEST(KeptFromChildren, HoldsWithEveryDescriptorTaken) {
  const UniqueFd kept = Event().KeptFromChildren();
  const UniqueFd further = Event().KeptFromChildren();
  rlimit limit;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const bool gone = IsTrueInChild([&] { return !IsEvent(kept.get()) && !IsEvent(further.get()); });
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_TRUE(gone);
}

}  // namespace
}  // namespace nigh
