#include "nigh/cancellation.h"

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nigh {
namespace {

using ::testing::ElementsAre;

TEST(Cancellation, CallbacksRunOnceInTheOrderTheyWereAdded) {
  Cancellation cancellation;
  std::vector<int> ran;
  cancellation.Add([&] { ran.push_back(1); });
  cancellation.Add([&] { ran.push_back(2); });
  EXPECT_FALSE(cancellation.requested());
  EXPECT_THAT(ran, ElementsAre());
  cancellation.Request();
  cancellation.Request();
  EXPECT_TRUE(cancellation.requested());
  EXPECT_THAT(ran, ElementsAre(1, 2));
}

TEST(Cancellation, CallbackSeesTheRequest) {
  Cancellation cancellation;
  bool seen = false;
  cancellation.Add([&] { seen = cancellation.requested(); });
  cancellation.Request();
  EXPECT_TRUE(seen);
}

TEST(Cancellation, CallbackAddedTooLateRunsAtOnce) {
  Cancellation cancellation;
  cancellation.Request();
  int ran = 0;
  const Cancellation::Id id = cancellation.Add([&] { ++ran; });
  EXPECT_EQ(ran, 1);
  cancellation.Remove(id);
  cancellation.Request();
  EXPECT_EQ(ran, 1);
}

TEST(Cancellation, RemovedCallbackNeverRuns) {
  Cancellation cancellation;
  int ran = 0;
  const Cancellation::Id first = cancellation.Add([&] { ran += 1; });
  cancellation.Add([&] { ran += 10; });
  cancellation.Remove(first);
  cancellation.Remove(first);
  cancellation.Remove(0);
  cancellation.Request();
  EXPECT_EQ(ran, 10);
}

TEST(Cancellation, CallbackMayRemoveItself) {
  Cancellation cancellation;
  Cancellation::Id id = 0;
  int ran = 0;
  id = cancellation.Add([&] {
    ++ran;
    cancellation.Remove(id);
  });
  cancellation.Request();
  EXPECT_EQ(ran, 1);
}

TEST(Cancellation, CallbackMayRemoveAnotherThatHasNotRun) {
  Cancellation cancellation;
  Cancellation::Id second = 0;
  bool ran = false;
  cancellation.Add([&] { cancellation.Remove(second); });
  second = cancellation.Add([&] { ran = true; });
  cancellation.Request();
  EXPECT_FALSE(ran);
}

TEST(Cancellation, CallbackAddedByACallbackRuns) {
  Cancellation cancellation;
  bool ran = false;
  cancellation.Add([&] { cancellation.Add([&] { ran = true; }); });
  cancellation.Request();
  EXPECT_TRUE(ran);
}

TEST(Cancellation, RemoveWaitsForACallbackThatRunsElsewhere) {
  Cancellation cancellation;
  std::promise<void> running;
  std::promise<void> go_on;
  std::atomic<bool> finished = false;
  const Cancellation::Id id = cancellation.Add([&] {
    running.set_value();
    go_on.get_future().wait();
    finished = true;
  });
  std::thread requesting([&] { cancellation.Request(); });
  running.get_future().wait();
  std::thread removing([&] {
    cancellation.Remove(id);
    EXPECT_TRUE(finished);
  });
  go_on.set_value();
  removing.join();
  requesting.join();
}

TEST(Cancellation, WhatACallbackHoldsIsGoneWhenRemoveReturns) {
  Cancellation cancellation;
  auto held = std::make_shared<int>(0);
  std::promise<void> running;
  std::promise<void> go_on;
  const Cancellation::Id id = cancellation.Add([held, &running, &go_on] {
    running.set_value();
    go_on.get_future().wait();
  });
  std::thread requesting([&] { cancellation.Request(); });
  running.get_future().wait();
  go_on.set_value();
  cancellation.Remove(id);
  EXPECT_EQ(held.use_count(), 1);
  requesting.join();
}

TEST(Cancellation, MarkRequestsAndLeavesTheCallbacksToRunCallbacks) {
  Cancellation cancellation;
  int ran = 0;
  cancellation.Add([&] { ++ran; });
  EXPECT_TRUE(cancellation.Mark());
  EXPECT_TRUE(cancellation.requested());
  EXPECT_EQ(ran, 0);
  cancellation.RunCallbacks();
  EXPECT_EQ(ran, 1);
  EXPECT_FALSE(cancellation.Mark()) << "once";
}

TEST(Cancellation, ASettledCallbackRunsIfARequestHasNotReachedIt) {
  Cancellation cancellation;
  int first = 0, second = 0;
  const Cancellation::Id one = cancellation.Add([&] { ++first; });
  const Cancellation::Id two = cancellation.Add([&] { ++second; });
  cancellation.Settle(one);  // nothing was requested
  EXPECT_TRUE(cancellation.Mark());
  cancellation.Settle(two);
  EXPECT_EQ(second, 1);
  cancellation.RunCallbacks();
  cancellation.Settle(two);
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 1);
}

TEST(Cancellation, MarkFindsNoCallbacksWhereThereAreNone) {
  Cancellation cancellation;
  EXPECT_FALSE(cancellation.Mark());
  EXPECT_TRUE(cancellation.requested());
}

TEST(Cancellation, IsAsNewAfterReset) {
  Cancellation cancellation;
  int ran = 0;
  cancellation.Add([&] { ++ran; });
  cancellation.Request();
  cancellation.Add([&] { ++ran; });
  cancellation.Reset();
  EXPECT_FALSE(cancellation.requested());
  cancellation.Add([&] { ran += 10; });
  EXPECT_EQ(ran, 2);
  cancellation.Request();
  EXPECT_EQ(ran, 12);
}

TEST(Cancellation, OfManyRequestsAtOnceOneRunsTheCallbacks) {
  for (int round = 0; round < 200; ++round) {
    Cancellation cancellation;
    std::atomic<int> ran = 0;
    for (int i = 0; i < 3; ++i) cancellation.Add([&] { ++ran; });
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back([&] { cancellation.Request(); });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(ran, 3);
  }
}

TEST(Cancellation, AddAndRemoveRaceWithRequestSafely) {
  // Each callback touches what its thread frees as soon as Remove has returned.
  for (int round = 0; round < 200; ++round) {
    Cancellation cancellation;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        auto count = std::make_unique<int>(0);
        const Cancellation::Id id = cancellation.Add([&count] { ++*count; });
        cancellation.Remove(id);
        EXPECT_LE(*count, 1);
        count.reset();
      });
    }
    cancellation.Request();
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace nigh
