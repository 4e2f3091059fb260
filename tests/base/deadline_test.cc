#include "nigh/deadline.h"

#include <climits>
#include <cstdint>
#include <ctime>
#include <limits>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace nigh {
namespace {

TEST(Deadline, DefaultIsNever) {
  EXPECT_TRUE(Deadline().is_infinite());
  EXPECT_FALSE(Deadline().HasPassed());
  EXPECT_EQ(Deadline().Remaining(), absl::InfiniteDuration());
  EXPECT_EQ(Deadline().RemainingNanos(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(Deadline().RemainingMillis(), -1);
  EXPECT_EQ(Deadline::Infinite(), Deadline());
}

TEST(Deadline, ZeroAndLessHavePassed) {
  for (const absl::Duration timeout :
       {absl::ZeroDuration(), absl::Nanoseconds(-1), absl::Hours(-1), -absl::InfiniteDuration()}) {
    const Deadline deadline = Deadline::After(timeout);
    EXPECT_TRUE(deadline.HasPassed()) << timeout;
    EXPECT_EQ(deadline.RemainingNanos(), 0) << timeout;
    EXPECT_EQ(deadline.RemainingMillis(), 0) << timeout;
  }
}

TEST(Deadline, WhatNobodyLivesToSeeIsNever) {
  EXPECT_TRUE(Deadline::After(absl::InfiniteDuration()).is_infinite());
  EXPECT_TRUE(Deadline::After(absl::Hours(24 * 365 * 1000)).is_infinite());
  EXPECT_TRUE(Deadline::At(absl::InfiniteFuture()).is_infinite());
}

TEST(Deadline, WallClockTimesAreTakenAsTheyStandNow) {
  EXPECT_TRUE(Deadline::At(absl::Now() - absl::Seconds(1)).HasPassed());
  EXPECT_TRUE(Deadline::At(absl::InfinitePast()).HasPassed());
  const Deadline in_an_hour = Deadline::At(absl::Now() + absl::Hours(1));
  EXPECT_GT(in_an_hour.Remaining(), absl::Minutes(50));
  EXPECT_LE(in_an_hour.Remaining(), absl::Hours(1) + absl::Minutes(10));
}

TEST(Deadline, MillisecondsAreRoundedUp) {
  const Deadline deadline = Deadline::After(absl::Hours(1));
  const int64_t nanos = deadline.RemainingNanos();
  const int millis = deadline.RemainingMillis();
  EXPECT_LE(int64_t{millis} * 1'000'000, nanos + 999'999);
  EXPECT_GE(int64_t{millis} * 1'000'000, deadline.RemainingNanos());
}

TEST(Deadline, MillisecondsFitAnInt) {
  EXPECT_EQ(Deadline::After(absl::Hours(24 * 365)).RemainingMillis(), INT_MAX);
}

TEST(Deadline, SystemCallsTakeMomentsAndDurations) {
  const timespec moment = Deadline::AtNanos(3'000'000'007).ToTimespec();
  EXPECT_EQ(moment.tv_sec, 3);
  EXPECT_EQ(moment.tv_nsec, 7);
  const timespec passed = Deadline::AtNanos(1).RemainingTimespec();
  EXPECT_EQ(passed.tv_sec, 0);
  EXPECT_EQ(passed.tv_nsec, 0);
  const timespec left = Deadline::After(absl::Hours(1)).RemainingTimespec();
  EXPECT_GE(left.tv_sec, 50 * 60);
  EXPECT_LE(left.tv_sec, 60 * 60);
  EXPECT_GT(Deadline().ToTimespec().tv_sec, 365 * 86'400);
  EXPECT_GT(Deadline().RemainingTimespec().tv_sec, 365 * 86'400);
}

TEST(Deadline, EarlierIsLess) {
  EXPECT_LT(Deadline::AtNanos(1), Deadline::AtNanos(2));
  EXPECT_LT(Deadline::AtNanos(2), Deadline::Infinite());
}

}  // namespace
}  // namespace nigh
