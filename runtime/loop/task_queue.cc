#include "nigh/runtime/loop/task_queue.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/functional/function_ref.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"

namespace nigh {

TaskQueue::TaskQueue()
    : wake_(UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)).KeptFromChildren()),
      timer_(UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC))
                 .KeptFromChildren()) {}

TaskQueue::~TaskQueue() {
  // An object that a task holds may post another task from its destructor. So the lock is released
  // while tasks are destroyed, and the loop ends when there are none.
  for (;;) {
    std::deque<Entry> tasks;
    std::map<TimerId, Entry> timers;
    MutexLock lock(mutex_);
    if (tasks_.empty() && timers_.empty()) return;
    tasks.swap(tasks_);
    timers.swap(timers_);
    MutexUnlock unlock(mutex_);
    tasks.clear();
    timers.clear();
  }
}

void TaskQueue::Post(Owner owner, Task task) {
  MutexLock lock(mutex_);
  PostLocked(owner, std::move(task));
}

void TaskQueue::PostLocked(Owner owner, Task task) {
  tasks_.push_back({owner, std::move(task)});
  // For a look without the lock; what it finds is then read under the lock.
  any_.store(true, std::memory_order_release);
  // One write for each sleep, however many tasks come.
  if (std::exchange(sleeping_, false)) (void)::eventfd_write(wake_.get(), 1);
}

TaskQueue::TimerId TaskQueue::AddTimer(Deadline deadline, Owner owner, Task task) {
  MutexLock lock(mutex_);
  const TimerId id(deadline, next_timer_++);
  if (deadline.is_infinite()) return id;
  timers_.emplace(id, Entry{owner, std::move(task)});
  // The descriptor stands for the earliest timer, so only a new earliest one changes it.
  if (timers_.begin()->first == id) SetTimer();
  return id;
}

void TaskQueue::RemoveTimer(TimerId id) {
  // Declared before the lock, so destroyed after it: what the task holds may call the queue.
  Entry removed;
  MutexLock lock(mutex_);
  const auto timer = timers_.find(id);
  if (timer == timers_.end()) return;
  removed = std::move(timer->second);
  // The timerfd stays as it is. It may wake the thread once for nothing, which costs no more than
  // setting it.
  timers_.erase(timer);
}

void TaskQueue::SetTimer() {
  itimerspec when{};
  if (!timers_.empty()) {
    // A value of 0 would disarm the timerfd.
    when.it_value = std::max(timers_.begin()->first.first, Deadline::AtNanos(1)).ToTimespec();
  }
  (void)::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void TaskQueue::Revoke(Owner owner) {
  std::vector<Task> revoked;  // destroyed after the lock
  // A task may revoke its own owner's tasks. Waiting for itself would never end.
  const auto runs_elsewhere = [&](const auto& running) {
    return running.first == owner && running.second != std::this_thread::get_id();
  };
  MutexLock lock(mutex_);
  for (;;) {
    // Entries stay, with no task: erasing from the middle of the deque would move the others.
    for (Entry& entry : tasks_) {
      if (entry.owner == owner && entry.task) revoked.push_back(std::exchange(entry.task, nullptr));
    }
    if (!absl::c_any_of(running_, runs_elsewhere)) return;
    // The one that runs may post more.
    ran_.Wait(mutex_);
  }
}

bool TaskQueue::RunNext(absl::FunctionRef<void(Owner, Task&)> run) {
  MutexLock lock(mutex_);
  while (!tasks_.empty() && !tasks_.front().task) tasks_.pop_front();
  if (tasks_.empty()) {
    // Under the lock, so no Post is lost: the next one stores true after this.
    any_.store(false, std::memory_order_relaxed);
    return false;
  }
  Entry entry = std::move(tasks_.front());
  tasks_.pop_front();
  const auto self = std::make_pair(entry.owner, std::this_thread::get_id());
  running_.push_back(self);
  {
    MutexUnlock unlock(mutex_);
    run(entry.owner, entry.task);
    // Destroyed while it still counts as running: Revoke promises that nothing of it is left.
    entry.task = nullptr;
  }
  running_.erase(absl::c_find(running_, self));
  ran_.SignalAll();
  return true;
}

bool TaskQueue::BeginSleep() {
  MutexLock lock(mutex_);
  sleeping_ = tasks_.empty();
  return sleeping_;
}

void TaskQueue::BeginAway() {
  MutexLock lock(mutex_);
  sleeping_ = tasks_.empty();
  if (!sleeping_) (void)::eventfd_write(wake_.get(), 1);
}

void TaskQueue::EndSleep() {
  MutexLock lock(mutex_);
  sleeping_ = false;
}

void TaskQueue::TakeWake() {
  uint64_t ignored;
  eventfd_t also_ignored;
  (void)::eventfd_read(wake_.get(), &also_ignored);
  if (::read(timer_.get(), &ignored, sizeof(ignored)) < 0) return;  // the timerfd has not expired
  MutexLock lock(mutex_);
  while (!timers_.empty() && timers_.begin()->first.first.HasPassed()) {
    auto due = timers_.extract(timers_.begin());
    PostLocked(due.mapped().owner, std::move(due.mapped().task));
  }
  SetTimer();
}

}  // namespace nigh
