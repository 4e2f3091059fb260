#ifndef NIGH_RUNTIME_LOOP_TASK_QUEUE_H_
#define NIGH_RUNTIME_LOOP_TASK_QUEUE_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// Work that one thread at a time does for all others: now, in the order it came, or at a time. It
// may have an owner, who can take it back.
//
// Thread-safe, with no lock held while a task runs or goes. The thread that runs tasks sleeps on
// wake_fd() and timer_fd(); others write to the former only when it says that it sleeps.
class TaskQueue {
 public:
  using Task = absl::AnyInvocable<void()>;
  // Only compared.
  using Owner = const void*;
  using TimerId = std::pair<Deadline, uint64_t>;

  TaskQueue();
  ~TaskQueue();

  void Post(Owner owner, Task task) ABSL_LOCKS_EXCLUDED(mutex_);

  // Posts `task` at `deadline`.
  TimerId AddTimer(Deadline deadline, Owner owner, Task task) ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes back a timer that has not been posted yet; one that has is a task like any other.
  void RemoveTimer(TimerId id) ABSL_LOCKS_EXCLUDED(mutex_);

  // None of the tasks of `owner` that have been posted runs after this; if one is running in
  // another thread, waits until it has.
  void Revoke(Owner owner) ABSL_LOCKS_EXCLUDED(mutex_);

  // For the thread that runs tasks.

  // Cheap, and not late by more than a sleep.
  bool any() const { return any_.load(std::memory_order_acquire); }
  // Has `run` run the first task; it goes when that returns. False: there is none.
  bool RunNext(absl::FunctionRef<void(Owner, Task&)> run) ABSL_LOCKS_EXCLUDED(mutex_);
  // Says that from now on the descriptors must wake it. False: a task came meanwhile.
  bool BeginSleep() ABSL_LOCKS_EXCLUDED(mutex_);
  void EndSleep() ABSL_LOCKS_EXCLUDED(mutex_);
  // As BeginSleep, but a task that came meanwhile wakes at once.
  void BeginAway() ABSL_LOCKS_EXCLUDED(mutex_);
  // After wake_fd() or timer_fd() has become readable.
  void TakeWake() ABSL_LOCKS_EXCLUDED(mutex_);

  int wake_fd() const { return wake_.get(); }
  int timer_fd() const { return timer_.get(); }

 private:
  struct Entry {
    Owner owner;
    Task task;  // null: taken back
  };

  void PostLocked(Owner owner, Task task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetTimer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const UniqueFd wake_;
  const UniqueFd timer_;
  std::atomic<bool> any_ = false;
  Mutex mutex_;
  CondVar ran_;
  bool sleeping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Entry> tasks_ ABSL_GUARDED_BY(mutex_);
  // More than one when a task has overstayed and another thread has taken over.
  std::vector<std::pair<Owner, std::thread::id>> running_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_timer_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<TimerId, Entry> timers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_TASK_QUEUE_H_
