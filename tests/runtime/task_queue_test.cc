#include "nigh/runtime/loop/task_queue.h"

#include <poll.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/deadline.h"

namespace nigh {
namespace {

using ::testing::ElementsAre;

bool RunNext(TaskQueue& queue) {
  return queue.RunNext([](TaskQueue::Owner, TaskQueue::Task& task) { task(); });
}

// Sleeps until there is a task.
void Sleep(TaskQueue& queue) {
  while (!queue.any()) {
    if (queue.BeginSleep()) {
      pollfd fds[] = {{.fd = queue.wake_fd(), .events = POLLIN, .revents = 0},
                      {.fd = queue.timer_fd(), .events = POLLIN, .revents = 0}};
      ::poll(fds, 2, -1);
    }
    queue.EndSleep();
    queue.TakeWake();
  }
}

TEST(TaskQueue, RunsTasksInTheOrderTheyCame) {
  TaskQueue queue;
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) queue.Post(nullptr, [&order, i] { order.push_back(i); });
  EXPECT_TRUE(queue.any());
  while (RunNext(queue)) {
  }
  EXPECT_FALSE(queue.any());
  EXPECT_THAT(order, ElementsAre(0, 1, 2));
}

TEST(TaskQueue, PostedTaskWakesWhoSleeps) {
  TaskQueue queue;
  bool ran = false;
  std::thread posting([&] { queue.Post(nullptr, [&] { ran = true; }); });
  Sleep(queue);
  EXPECT_TRUE(RunNext(queue));
  EXPECT_TRUE(ran);
  posting.join();
}

TEST(TaskQueue, RunsTimersInTheOrderOfTheirDeadlines) {
  TaskQueue queue;
  std::vector<int> order;
  const auto record = [&](int which) { return [&order, which] { order.push_back(which); }; };
  const Deadline base = Deadline::After(absl::Milliseconds(5));
  const auto at = [&](int64_t nanos) { return Deadline::AtNanos(base.nanos() + nanos); };
  queue.AddTimer(at(3), nullptr, record(3));
  queue.AddTimer(at(1), nullptr, record(1));
  queue.AddTimer(at(2), nullptr, record(2));
  queue.AddTimer(at(2), nullptr, record(4));  // of two at once, the one that was added first
  queue.AddTimer(Deadline::AtNanos(0), nullptr, record(0));
  queue.AddTimer(Deadline::Infinite(), nullptr, record(99));
  while (order.size() < 5) {
    Sleep(queue);
    while (RunNext(queue)) {
    }
  }
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 4, 3));
}

TEST(TaskQueue, TimerNeverRunsBeforeItsDeadline) {
  TaskQueue queue;
  for (int i = 0; i < 10; ++i) {
    const Deadline deadline = Deadline::After(absl::Microseconds(300 * i));
    bool passed = false;
    bool ran = false;
    queue.AddTimer(deadline, nullptr, [&] {
      ran = true;
      passed = deadline.HasPassed();
    });
    while (!ran) {
      Sleep(queue);
      RunNext(queue);
    }
    EXPECT_TRUE(passed);
  }
}

TEST(TaskQueue, EarlierTimerAddedLaterIsNotKeptWaiting) {
  TaskQueue queue;
  bool ran = false;
  queue.AddTimer(Deadline::After(absl::Hours(1)), nullptr, [] { FAIL(); });
  queue.AddTimer(Deadline::After(absl::Milliseconds(1)), nullptr, [&] { ran = true; });
  Sleep(queue);
  EXPECT_TRUE(RunNext(queue));
  EXPECT_TRUE(ran);
}

TEST(TaskQueue, RemovedTimerNeverRuns) {
  TaskQueue queue;
  const TaskQueue::TimerId id = queue.AddTimer(Deadline::AtNanos(1), nullptr, [] { FAIL(); });
  queue.RemoveTimer(id);
  queue.RemoveTimer(id);
  bool ran = false;
  queue.AddTimer(Deadline::After(absl::Milliseconds(1)), nullptr, [&] { ran = true; });
  Sleep(queue);
  while (RunNext(queue)) {
  }
  EXPECT_TRUE(ran);
}

TEST(TaskQueue, RevokedTasksGoAndOthersStay) {
  TaskQueue queue;
  int mine;
  int other;
  int ran = 0;
  queue.Post(&mine, [] { FAIL(); });
  queue.Post(&other, [&] { ++ran; });
  queue.Post(&mine, [] { FAIL(); });
  queue.Revoke(&mine);
  while (RunNext(queue)) {
  }
  EXPECT_EQ(ran, 1);
}

TEST(TaskQueue, RevokeWaitsForATaskThatRunsInAnotherThread) {
  TaskQueue queue;
  int owner;
  std::promise<void> running;
  std::promise<void> go_on;
  std::atomic<bool> finished = false;
  queue.Post(&owner, [&] {
    running.set_value();
    go_on.get_future().wait();
    finished = true;
  });
  std::thread runner([&] { EXPECT_TRUE(RunNext(queue)); });
  running.get_future().wait();
  std::thread revoking([&] {
    queue.Revoke(&owner);
    EXPECT_TRUE(finished);
  });
  go_on.set_value();
  revoking.join();
  runner.join();
}

TEST(TaskQueue, WhatARunningTaskPostsIsRevokedWithIt) {
  TaskQueue queue;
  int owner;
  std::promise<void> running;
  std::promise<void> go_on;
  queue.Post(&owner, [&] {
    running.set_value();
    go_on.get_future().wait();
    queue.Post(&owner, [] { FAIL(); });
  });
  std::thread runner([&] { EXPECT_TRUE(RunNext(queue)); });
  running.get_future().wait();
  queue.Post(&owner, [] { FAIL(); });
  std::promise<void> revoked;
  // Destroyed as soon as Revoke has taken it back: by then it waits for the one that runs.
  std::thread revoking([&] {
    queue.Revoke(&owner);
    revoked.set_value();
  });
  go_on.set_value();
  revoked.get_future().wait();
  revoking.join();
  runner.join();
  while (RunNext(queue)) {
  }
}

TEST(TaskQueue, TaskMayRevokeItsOwnOwnerAndPostAgain) {
  TaskQueue queue;
  int owner;
  bool again = false;
  queue.Post(&owner, [&] {
    queue.Revoke(&owner);
    queue.Post(&owner, [&] { again = true; });
  });
  while (RunNext(queue)) {
  }
  EXPECT_TRUE(again);
}

}  // namespace
}  // namespace nigh
