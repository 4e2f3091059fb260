#include "nigh/runtime/client/call_rhythm.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace nigh {
namespace {

constexpr int64_t kMicrosecond = 1000;

class CallRhythmTest : public ::testing::Test {
 protected:
  // So many calls within so many microseconds.
  bool AfterCalls(int calls, int64_t microseconds) {
    for (int i = 0; i < calls; ++i) rhythm_.EndWait();
    now_ += microseconds * kMicrosecond;
    return rhythm_.Judge(now_);
  }

  CallRhythm rhythm_;
  int64_t now_ = int64_t{1} << 40;
};

TEST_F(CallRhythmTest, IsSteadyWhileCallsFollowEachOther) {
  EXPECT_FALSE(AfterCalls(0, 100));
  EXPECT_TRUE(AfterCalls(50, 100));
  EXPECT_TRUE(AfterCalls(10, 100)) << "a socket's";
  EXPECT_FALSE(AfterCalls(0, 100)) << "they are over";
}

TEST_F(CallRhythmTest, NowAndThenIsNoRhythm) {
  EXPECT_FALSE(AfterCalls(1, 1000));
  EXPECT_FALSE(AfterCalls(3, 1000));
}

TEST_F(CallRhythmTest, JudgesNotBeforeThereIsSomeTimeToLookAt) {
  EXPECT_FALSE(AfterCalls(0, 100));
  EXPECT_FALSE(AfterCalls(5, 10));
  EXPECT_TRUE(AfterCalls(0, 30)) << "the five are not forgotten";
}

TEST_F(CallRhythmTest, ACallerThatAlwaysWaitsCountsThoughItsCallsDoNotEnd) {
  rhythm_.BeginToFollow();
  EXPECT_FALSE(AfterCalls(0, 100)) << "it may have come just now";
  EXPECT_TRUE(AfterCalls(0, 100));
  rhythm_.EndToFollow();
  EXPECT_FALSE(AfterCalls(0, 100));
}

TEST_F(CallRhythmTest, WithoutCallsThereIsNothingToJudge) {
  EXPECT_FALSE(AfterCalls(0, 100));
  EXPECT_FALSE(rhythm_.has_news());
  rhythm_.EndWait();
  EXPECT_TRUE(rhythm_.has_news());
}

}  // namespace
}  // namespace nigh
