#include "nigh/runtime/loop/time_shares.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace nigh {
namespace {

constexpr int64_t kStart = 1'000'000'000;
constexpr int64_t kAFew = TimeShares::kShare / 10;

class TimeSharesTest : public ::testing::Test {
 protected:
  TimeSharesTest() { shares_.Begin(now_); }

  void Work(TimeShares::Share& share, int64_t nanos) {
    shares_.Charge(share, now_ += nanos, /*worked=*/true);
  }

  int64_t now_ = kStart;
  TimeShares shares_;
  TimeShares::Share& ann_ = shares_.Join(1);
  TimeShares::Share& bob_ = shares_.Join(2);
};

TEST_F(TimeSharesTest, NothingIsDividedWhereOneUserIsAlone) {
  shares_.Heat(ann_);
  shares_.Heat(shares_.Join(1));
  EXPECT_FALSE(shares_.divides());
  shares_.Heat(bob_);
  EXPECT_TRUE(shares_.divides());
  shares_.Cool(bob_);
  EXPECT_FALSE(shares_.divides());
}

TEST_F(TimeSharesTest, WhoHasUsedUpItsShareRestsUntilTheNextRound) {
  Work(ann_, TimeShares::kShare - 1);
  EXPECT_FALSE(ann_.spent());
  Work(ann_, 1);
  EXPECT_TRUE(ann_.spent());
  EXPECT_FALSE(bob_.spent());
  EXPECT_FALSE(shares_.RoundIsOver(now_ + TimeShares::kLongestRest - 1));
  EXPECT_TRUE(shares_.RoundIsOver(now_ + TimeShares::kLongestRest));
  shares_.NextRound();
  EXPECT_FALSE(ann_.spent());
  EXPECT_FALSE(shares_.RoundIsOver(now_ + TimeShares::kLongestRest)) << "nobody rests";
}

TEST_F(TimeSharesTest, WhoseTurnTookLongPaysInTheRoundsThatFollow) {
  Work(ann_, 3 * TimeShares::kShare);
  for (int round = 0; round < 2; ++round) {
    shares_.NextRound();
    EXPECT_TRUE(ann_.spent());
  }
  shares_.NextRound();
  EXPECT_FALSE(ann_.spent());
}

TEST_F(TimeSharesTest, NobodyGetsANewShareByComingAnew) {
  Work(ann_, 2 * TimeShares::kShare);
  TimeShares::Leave(ann_);
  EXPECT_TRUE(shares_.Join(1).spent());
  TimeShares::Leave(ann_);
  shares_.NextRound();
  EXPECT_TRUE(shares_.Join(1).spent());
}

TEST_F(TimeSharesTest, OthersAreWaitedForOnlyIfTheyHaveWorkedInThisRound) {
  Work(ann_, TimeShares::kShare);
  EXPECT_LE(shares_.Patience(now_), 0);
  shares_.NextRound();
  Work(bob_, kAFew);
  Work(ann_, TimeShares::kShare);
  EXPECT_EQ(shares_.Patience(now_), TimeShares::kPatience) << "bob could not call meanwhile";
  Work(bob_, kAFew);
  EXPECT_EQ(shares_.Patience(now_ + 1), TimeShares::kPatience - 1);
  Work(bob_, TimeShares::kShare);
  EXPECT_LE(shares_.Patience(now_), 0) << "he rests, too";
}

TEST_F(TimeSharesTest, NobodyIsWaitedForLongerThanOthersRest) {
  Work(bob_, 1);
  Work(ann_, TimeShares::kShare);
  const int64_t rests_until = now_ + TimeShares::kLongestRest;
  shares_.Begin(rests_until - kAFew);
  shares_.Charge(bob_, now_ = rests_until - kAFew + 1, /*worked=*/true);
  EXPECT_EQ(shares_.Patience(now_), kAFew - 1);
}

}  // namespace
}  // namespace nigh
