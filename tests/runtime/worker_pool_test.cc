#include "nigh/runtime/loop/worker_pool.h"

#include <atomic>
#include <barrier>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nigh {
namespace {

using ::testing::ElementsAre;

TEST(WorkerPool, RunsEveryTaskOnce) {
  std::vector<std::atomic<int>> ran(1000);
  {
    WorkerPool pool(4);
    std::vector<std::thread> submitters;
    for (size_t part = 0; part < 4; ++part) {
      submitters.emplace_back([&, part] {
        for (size_t i = part; i < ran.size(); i += 4) pool.Submit([&, i] { ++ran[i]; });
      });
    }
    for (std::thread& submitter : submitters) submitter.join();
  }
  for (const std::atomic<int>& count : ran) EXPECT_EQ(count, 1);
}

TEST(WorkerPool, TasksThatWaitForEachOtherAllRun) {
  // None returns before all have begun.
  constexpr int kTasks = 16;
  std::barrier all(kTasks);
  WorkerPool pool(kTasks);
  for (int round = 0; round < 10; ++round) {
    std::atomic<int> left = kTasks;
    std::promise<void> done;
    for (int i = 0; i < kTasks; ++i) {
      pool.Submit([&] {
        all.arrive_and_wait();
        if (--left == 0) done.set_value();
      });
    }
    done.get_future().wait();
  }
}

TEST(WorkerPool, TaskBehindABlockedOneIsNotHeldUp) {
  WorkerPool pool(2);
  std::promise<void> release;
  pool.Submit([&] { release.get_future().wait(); });
  for (int i = 0; i < 100; ++i) {
    std::promise<void> ran;
    pool.Submit([&] { ran.set_value(); });
    ran.get_future().wait();
  }
  release.set_value();
}

TEST(WorkerPool, TasksBeyondTheLimitWaitInOrder) {
  std::vector<int> order;
  WorkerPool pool(1);
  std::promise<void> release;
  pool.Submit([&] { release.get_future().wait(); });
  for (int i = 0; i < 5; ++i) pool.Submit([&, i] { order.push_back(i); });
  release.set_value();
  pool.Join();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4));
}

TEST(WorkerPool, JoinWaitsForWhatIsQueuedAndForWhatThatSubmits) {
  std::atomic<int> ran = 0;
  WorkerPool pool(2);
  for (int i = 0; i < 10; ++i) {
    pool.Submit([&] {
      ++ran;
      pool.Submit([&] { ++ran; });
    });
  }
  pool.Join();
  EXPECT_EQ(ran, 20);
}

TEST(WorkerPool, WhatATaskHoldsIsGoneAfterIt) {
  WorkerPool pool(1);
  auto held = std::make_shared<int>(0);
  pool.Submit([held] {});
  std::promise<void> next;
  pool.Submit([&] { next.set_value(); });
  next.get_future().wait();
  EXPECT_EQ(held.use_count(), 1);
}

TEST(WorkerPool, JoinOfAPoolThatHadNothingToDoReturns) {
  WorkerPool pool(3);
  pool.Join();
  pool.Join();
}

}  // namespace
}  // namespace nigh
