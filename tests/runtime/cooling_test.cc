#include "nigh/runtime/loop/cooling.h"

#include <atomic>
#include <future>
#include <memory>
#include <thread>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "nigh/deadline.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/testing/virtual_clock.h"
#include "nigh/transport/waiter.h"

namespace nigh {
namespace {

class CoolingTest : public ::testing::Test {
 protected:
  ~CoolingTest() override {
    poller_->Stop();
    driver_.join();
  }

  void Advance(absl::Duration by) {
    clock_.Advance(by);
    // What is due by now has run when a later timer has.
    std::promise<void> passed;
    poller_->AddTimer(Deadline::After(absl::ZeroDuration()), nullptr, [&] { passed.set_value(); });
    passed.get_future().wait();
  }
  void Use() { cooling_.Use(owner_); }

  testing::VirtualClock clock_;
  const std::shared_ptr<Poller> poller_ = std::make_shared<Poller>(WaitPolicy());
  std::thread driver_{[this] { EXPECT_TRUE(poller_->Drive()); }};
  std::shared_ptr<void> owner_ = std::make_shared<int>();
  std::atomic<int> cooled_ = 0;
  std::atomic<int> parts_ = 0;  // that are left
  Cooling cooling_{[this] { return poller_; },
                   [this] {
                     ++cooled_;
                     return parts_ > 0 && --parts_ > 0;
                   }};
};

constexpr absl::Duration kAlmost = absl::Milliseconds(999);
constexpr absl::Duration kMilli = absl::Milliseconds(1);

TEST_F(CoolingTest, MemoryIsKeptWhileItIsUsedAndGoesASecondAfter) {
  Use();
  for (int i = 0; i < 3; ++i) {
    Advance(kAlmost);
    Use();
    Advance(kMilli);
    EXPECT_EQ(cooled_, 0);
  }
  Advance(kAlmost);
  EXPECT_EQ(cooled_, 0);
  Advance(kMilli);
  EXPECT_EQ(cooled_, 1);
  // Nothing is left to be done, and no timer.
  Advance(10 * Cooling::kKeptFor);
  EXPECT_EQ(cooled_, 1);
  EXPECT_EQ(poller_.use_count(), 1);
}

TEST_F(CoolingTest, ItBeginsAnewWithTheNextUse) {
  for (int round = 1; round <= 3; ++round) {
    Use();
    Advance(Cooling::kKeptFor);
    Advance(Cooling::kKeptFor);
    EXPECT_EQ(cooled_, round);
  }
}

TEST_F(CoolingTest, LargeMemoryGoesPartByPart) {
  Use();
  parts_ = 3;
  Advance(Cooling::kKeptFor);
  EXPECT_EQ(cooled_, 1);
  Advance(kMilli);
  Advance(kMilli);
  EXPECT_EQ(cooled_, 3);
  Advance(Cooling::kKeptFor);
  EXPECT_EQ(cooled_, 3);
}

TEST_F(CoolingTest, NothingHappensOnceTheOwnerHasGone) {
  Use();
  owner_ = nullptr;
  Advance(2 * Cooling::kKeptFor);
  Use();
  Advance(2 * Cooling::kKeptFor);
  EXPECT_EQ(cooled_, 0);
}

TEST_F(CoolingTest, WhatIsUsedInTheVeryMomentIsNotForgotten) {
  std::atomic<bool> over = false;
  std::thread user([&] {
    while (!over) Use();
  });
  for (int i = 0; i < 100; ++i) Advance(Cooling::kKeptFor);
  over = true;
  user.join();
  const int before = cooled_;
  Use();
  Advance(2 * Cooling::kKeptFor);
  Advance(Cooling::kKeptFor);
  EXPECT_GT(cooled_, before);
}

TEST(CoolingWithoutPoller, WhoeverComesByFindsThatItIsDue) {
  testing::VirtualClock clock;
  Cooling cooling([] { return std::shared_ptr<Poller>(); }, [] { return false; });
  const auto owner = std::make_shared<int>();
  EXPECT_FALSE(cooling.IsDue());
  cooling.Use(owner);
  clock.Advance(kAlmost);
  EXPECT_FALSE(cooling.IsDue());
  clock.Advance(kMilli);
  EXPECT_TRUE(cooling.IsDue());
  cooling.Forget();
  EXPECT_FALSE(cooling.IsDue());
  // What has been used since it was due is not forgotten.
  cooling.Use(owner);
  cooling.Forget();
  EXPECT_FALSE(cooling.IsDue());
  clock.Advance(Cooling::kKeptFor);
  EXPECT_TRUE(cooling.IsDue());
}

}  // namespace
}  // namespace nigh
