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

// Tasks that one thread at a time runs for all others, in the order in which they were posted, or
// at a given time. A task may have an owner, who can take it back.
//
// Thread-safe. No lock is held while a task runs or is destroyed. The thread that runs tasks sleeps
// on wake_fd() and timer_fd(). Others write to wake_fd() only when that thread has said that it
// sleeps.
class TaskQueue {
 public:
  using Task = absl::AnyInvocable<void()>;
  // Owners are compared, never followed. Null stands for no owner.
  using Owner = const void*;
  using TimerId = std::pair<Deadline, uint64_t>;

  TaskQueue();
  ~TaskQueue();

  void Post(Owner owner, Task task) ABSL_LOCKS_EXCLUDED(mutex_);

  // Posts `task` at `deadline`; never, if that is infinite.
  TimerId AddTimer(Deadline deadline, Owner owner, Task task) ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes back a timer whose task has not been posted yet. One that has is a task like any other.
  void RemoveTimer(TimerId id) ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes back the tasks of `owner` that have been posted: none of them runs after this. If one is
  // running in another thread, waits until it has run. Timers stay.
  void Revoke(Owner owner) ABSL_LOCKS_EXCLUDED(mutex_);

  // Only the thread that runs tasks calls what follows.

  // Whether there may be tasks. Cheap: takes no lock. A task that is posted at this moment may be
  // missed; BeginSleep finds it.
  bool any() const { return any_.load(std::memory_order_acquire); }
  // Has `run` run the first task, which is destroyed when `run` returns. False: there is none.
  bool RunNext(absl::FunctionRef<void(Owner, Task&)> run) ABSL_LOCKS_EXCLUDED(mutex_);
  // Says that the thread sleeps: from now on the next task makes wake_fd() readable. False: there
  // are tasks already.
  bool BeginSleep() ABSL_LOCKS_EXCLUDED(mutex_);
  void EndSleep() ABSL_LOCKS_EXCLUDED(mutex_);
  // As BeginSleep, but if there are tasks already, makes wake_fd() readable.
  void BeginAway() ABSL_LOCKS_EXCLUDED(mutex_);
  // Posts the timers that are due. To be called when wake_fd() or timer_fd() is readable.
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
  // The tasks that are running. There are several when one has overstayed and another thread has
  // taken over.
  std::vector<std::pair<Owner, std::thread::id>> running_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_timer_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<TimerId, Entry> timers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_TASK_QUEUE_H_
