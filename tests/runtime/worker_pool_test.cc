#include "nigh/runtime/loop/worker_pool.h"

#include <atomic>
#include <barrier>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/deadline.h"

namespace nigh {
namespace {

using ::testing::ElementsAre;
using Fate = WorkerPool::Fate;
using Shortage = WorkerPool::Shortage;

// Has the task wait for a thread, if need be.
void Submit(WorkerPool& pool, WorkerPool::Task task) {
  const Deadline never = Deadline::Infinite();
  if (pool.Submit(task, never) != Shortage::kNone) pool.Queue(std::move(task), never);
}

TEST(WorkerPool, RunsEveryTaskOnce) {
  std::vector<std::atomic<int>> ran(1000);
  {
    WorkerPool pool(4);
    std::vector<std::thread> submitters;
    for (size_t part = 0; part < 4; ++part) {
      submitters.emplace_back([&, part] {
        for (size_t i = part; i < ran.size(); i += 4) Submit(pool, [&, i](Fate) { ++ran[i]; });
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
      Submit(pool, [&](Fate) {
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
  Submit(pool, [&](Fate) { release.get_future().wait(); });
  for (int i = 0; i < 100; ++i) {
    std::promise<void> ran;
    Submit(pool, [&](Fate) { ran.set_value(); });
    ran.get_future().wait();
  }
  release.set_value();
}

TEST(WorkerPool, TasksBeyondTheLimitWaitInOrder) {
  std::vector<int> order;
  std::promise<void> release;
  WorkerPool pool(1);
  Submit(pool, [&](Fate) { release.get_future().wait(); });
  for (int i = 0; i < 5; ++i) Submit(pool, [&, i](Fate) { order.push_back(i); });
  release.set_value();
  pool.Join();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4));
}

TEST(WorkerPool, JoinWaitsForWhatIsQueuedAndForWhatThatSubmits) {
  std::atomic<int> ran = 0;
  WorkerPool pool(2);
  for (int i = 0; i < 10; ++i) {
    Submit(pool, [&](Fate) {
      ++ran;
      Submit(pool, [&](Fate) { ++ran; });
    });
  }
  pool.Join();
  EXPECT_EQ(ran, 20);
}

TEST(WorkerPool, WhatATaskHoldsIsGoneAfterIt) {
  WorkerPool pool(1);
  auto held = std::make_shared<int>(0);
  Submit(pool, [held](Fate) {});
  std::promise<void> next;
  Submit(pool, [&](Fate) { next.set_value(); });
  next.get_future().wait();
  EXPECT_EQ(held.use_count(), 1);
}

TEST(WorkerPool, JoinOfAPoolThatHadNothingToDoReturns) {
  WorkerPool pool(3);
  pool.Join();
  pool.Join();
}

TEST(WorkerPool, AShortageLeavesTheTaskToTheCaller) {
  std::promise<void> release;
  WorkerPool pool(1);
  Submit(pool, [&](Fate) { release.get_future().wait(); });
  WorkerPool::Task task = [](Fate) {};
  EXPECT_EQ(pool.Submit(task, Deadline::Infinite()), Shortage::kLimit);
  EXPECT_TRUE(task);
  release.set_value();
}

TEST(WorkerPool, WhatWaitsForTooLongIsTakenBack) {
  std::promise<void> release;
  WorkerPool pool(1);
  Submit(pool, [&](Fate) { release.get_future().wait(); });
  int ran = 0;
  pool.Queue([&](Fate fate) { ran += fate == Fate::kOverdue ? 1 : 10; },
             Deadline::After(absl::ZeroDuration()));
  const Deadline later = Deadline::After(absl::Hours(1));
  pool.Queue([&](Fate fate) { ran += fate == Fate::kOverdue ? 1 : 10; }, later);
  std::vector<WorkerPool::Task> overdue = pool.TakeOverdue();
  ASSERT_EQ(overdue.size(), 1);
  EXPECT_EQ(pool.NextOverdue(), later);
  overdue.front()(Fate::kOverdue);
  release.set_value();
  pool.Join();
  EXPECT_EQ(ran, 11);
  EXPECT_TRUE(pool.NextOverdue().is_infinite());
}

}  // namespace
}  // namespace nigh
