#include "nigh/runtime/loop/worker_pool.h"

#include <limits>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"

namespace nigh {
namespace {

// A thread that has been idle for this long ends.
constexpr absl::Duration kIdleTime = absl::Seconds(10);

}  // namespace

void WorkerPool::Submit(Task task) {
  MutexLock lock(mutex_);
  tasks_.push_back(std::move(task));
  (void)Staff(max_threads_);
}

bool WorkerPool::SubmitUrgent(Task task) {
  MutexLock lock(mutex_);
  tasks_.push_front(std::move(task));
  if (Staff(std::numeric_limits<int>::max())) return true;
  tasks_.pop_front();
  return false;
}

bool WorkerPool::Staff(int max_threads) {
  if (static_cast<int>(tasks_.size()) <= idle_) {
    work_.Signal();
    return true;
  }
  if (threads_ >= max_threads) return true;
  // Detached, and counted in threads_ instead: a thread that ends by itself has nobody to join it.
  try {
    std::thread([this] { Work(); }).detach();
    ++threads_;
  } catch (const std::system_error&) {
    // The system has no thread to give. A thread of the pool takes the task when it is free.
  }
  return threads_ > 0;
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
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    MutexUnlock unlock(mutex_);
    task();
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
