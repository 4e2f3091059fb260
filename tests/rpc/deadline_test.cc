#include "nigh/base/deadline.h"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <limits>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace nigh {
namespace {

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

TEST(Deadline, IsNeverUnlessSaidOtherwise) {
  for (const Deadline never :
       {Deadline(), Deadline::Infinite(), Deadline::After(absl::InfiniteDuration()),
        Deadline::At(absl::InfiniteFuture())}) {
    EXPECT_TRUE(never.is_infinite());
    EXPECT_FALSE(never.HasPassed());
    EXPECT_EQ(never.RemainingNanos(), kForever);
    EXPECT_EQ(never.RemainingMillis(), -1);
    EXPECT_EQ(never.Remaining(), absl::InfiniteDuration());
    EXPECT_EQ(never, Deadline());
  }
}

TEST(Deadline, HasPassedAtOnceWhenNothingIsLeft) {
  for (const Deadline passed :
       {Deadline::After(absl::ZeroDuration()), Deadline::After(absl::Nanoseconds(-1)),
        Deadline::After(-absl::Hours(24 * 365 * 200)), Deadline::After(-absl::InfiniteDuration()),
        Deadline::At(absl::InfinitePast()), Deadline::At(absl::UnixEpoch()), Deadline::AtNanos(0),
        Deadline::AtNanos(SteadyNanos())}) {
    EXPECT_TRUE(passed.HasPassed());
    EXPECT_FALSE(passed.is_infinite());
    EXPECT_EQ(passed.RemainingNanos(), 0);
    EXPECT_EQ(passed.RemainingMillis(), 0);
    EXPECT_EQ(passed.Remaining(), absl::ZeroDuration());
  }
}

TEST(Deadline, TimeoutThatNoClockReachesIsNever) {
  EXPECT_TRUE(Deadline::After(absl::Nanoseconds(kForever)).is_infinite());
  EXPECT_TRUE(Deadline::After(absl::Nanoseconds(kForever - 1)).is_infinite());
  EXPECT_TRUE(Deadline::After(absl::Hours(int64_t{24} * 365 * 10'000)).is_infinite());
  EXPECT_TRUE(Deadline::At(absl::Now() + absl::Hours(24 * 365 * 10'000)).is_infinite());
  EXPECT_FALSE(Deadline::After(absl::Hours(24 * 365)).is_infinite());
}

TEST(Deadline, RemainingIsAtMostTheTimeout) {
  const Deadline deadline = Deadline::After(absl::Hours(1));
  EXPECT_FALSE(deadline.HasPassed());
  EXPECT_LE(deadline.Remaining(), absl::Hours(1));
  EXPECT_GT(deadline.Remaining(), absl::ZeroDuration());
  EXPECT_LE(deadline.RemainingMillis(), 3'600'000);
}

TEST(Deadline, MillisecondsAreRoundedUpSoThatAWaitNeverEndsEarly) {
  for (int i = 0; i < 1000; ++i) {
    const Deadline deadline = Deadline::AtNanos(SteadyNanos() + 2'500'000);
    const int millis = deadline.RemainingMillis();
    const int64_t after = deadline.RemainingNanos();
    EXPECT_GE(int64_t{millis} * 1'000'000, after);
  }
}

TEST(Deadline, MillisecondsNeverExceedAnInt) {
  EXPECT_EQ(Deadline::AtNanos(kForever - 1).RemainingMillis(), INT_MAX);
  EXPECT_EQ(Deadline::After(absl::Hours(24 * 365)).RemainingMillis(), INT_MAX);
}

TEST(Deadline, EarlierComparesLess) {
  const Deadline now = Deadline::AtNanos(1000);
  const Deadline later = Deadline::AtNanos(1001);
  EXPECT_LT(now, later);
  EXPECT_LT(later, Deadline::Infinite());
  EXPECT_EQ(std::min(Deadline::Infinite(), now), now);
  EXPECT_EQ(now, Deadline::AtNanos(1000));
}

TEST(Deadline, WallClockTimeBecomesSteadyTime) {
  const Deadline deadline = Deadline::At(absl::Now() + absl::Hours(1));
  EXPECT_LE(deadline.Remaining(), absl::Hours(1));
  EXPECT_GT(deadline.Remaining(), absl::Minutes(30));
}

}  // namespace
}  // namespace nigh
