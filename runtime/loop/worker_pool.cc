#include "nigh/runtime/loop/worker_pool.h"

#include <algorithm>
#include <limits>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"

namespace nigh {
namespace {

// A thread that has been idle for this long ends.
constexpr absl::Duration kIdleTime = absl::Seconds(10);

}  // namespace

WorkerPool::Shortage WorkerPool::Submit(Task& task, Deadline deadline) {
  MutexLock lock(mutex_);
  const Shortage shortage = Staff(max_threads_);
  if (shortage == Shortage::kNone) tasks_.push_back({std::move(task), deadline});
  return shortage;
}

void WorkerPool::Queue(Task task, Deadline deadline) {
  MutexLock lock(mutex_);
  // A thread may have become free since the caller found none.
  (void)Staff(max_threads_);
  tasks_.push_back({std::move(task), deadline});
}

std::vector<WorkerPool::Task> WorkerPool::TakeOverdue() {
  std::vector<Task> overdue;
  MutexLock lock(mutex_);
  for (auto waiting = tasks_.begin(); waiting != tasks_.end();) {
    if (waiting->deadline.HasPassed()) {
      overdue.push_back(std::move(waiting->task));
      waiting = tasks_.erase(waiting);
    } else {
      ++waiting;
    }
  }
  return overdue;
}

Deadline WorkerPool::NextOverdue() {
  MutexLock lock(mutex_);
  Deadline next = Deadline::Infinite();
  for (const Waiting& waiting : tasks_) next = std::min(next, waiting.deadline);
  return next;
}

int WorkerPool::threads() const {
  MutexLock lock(mutex_);
  return threads_;
}

bool WorkerPool::SubmitUrgent(Task task) {
  MutexLock lock(mutex_);
  const bool staffed = Staff(std::numeric_limits<int>::max()) == Shortage::kNone;
  if (staffed || threads_ > 0) tasks_.push_front({std::move(task), Deadline::Infinite()});
  return staffed;
}

WorkerPool::Shortage WorkerPool::Staff(int max_threads) {
  if (static_cast<int>(tasks_.size()) < idle_) {
    work_.Signal();
    return Shortage::kNone;
  }
  if (threads_ >= max_threads) return Shortage::kLimit;
  // Detached, and counted in threads_ instead: a thread that ends by itself has nobody to join it.
  try {
    std::thread([this] { Work(); }).detach();
  } catch (const std::system_error&) {
    return Shortage::kSystem;
  }
  ++threads_;
  return Shortage::kNone;
}

void WorkerPool::Work() {
  MutexLock lock(mutex_);
  for (;;) {
    const Deadline until = Deadline::After(kIdleTime);
    while (tasks_.empty() && !joining_ && !until.HasPassed()) {
      ++idle_;
      work_.WaitUntil(mutex_, until);
      --idle_;
    }
    if (tasks_.empty()) break;
    Task task = std::move(tasks_.front().task);
    tasks_.pop_front();
    MutexUnlock unlock(mutex_);
    task(Fate::kRun);
    birth_.ExitIfInherited();
    // Destroyed without the lock: what the task holds may submit another.
    task = nullptr;
  }
  // Under the mutex until the very end: Join must not return, and the pool must not be destroyed,
  // while this thread still uses it.
  --threads_;
  gone_.SignalAll();
}

void WorkerPool::Join() {
  MutexLock lock(mutex_);
  joining_ = true;
  work_.SignalAll();
  while (threads_ > 0) gone_.Wait(mutex_);
}

}  // namespace nigh
