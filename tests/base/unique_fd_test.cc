#include "nigh/transport/unique_fd.h"

#include <fcntl.h>
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

}  // namespace
}  // namespace nigh
