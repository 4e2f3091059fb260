#ifndef NIGH_RUNTIME_LOOP_WORKER_POOL_H_
#define NIGH_RUNTIME_LOOP_WORKER_POOL_H_

#include <deque>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/birth_process.h"

namespace nigh {

// A pool of threads. Threads start when they are needed and end when they have been idle for a
// while. Tasks may block: as long as there are fewer than `max_threads`, and the system has more to
// give, no task waits for another to end. Thread-safe.
class WorkerPool {
 public:
  // What becomes of a task: a thread of the pool runs it, or it has waited for too long.
  enum class Fate { kRun, kOverdue };
  // Called once.
  using Task = absl::AnyInvocable<void(Fate)>;
  // Why there is no thread for a task now.
  enum class Shortage {
    kNone,    // there is
    kLimit,   // max_threads() are busy
    kSystem,  // all threads are busy, and the system has no other to give
  };

  explicit WorkerPool(int max_threads) : max_threads_(max_threads) {}
  ~WorkerPool() { Join(); }

  // Runs `task` on one of the threads, soon. With a shortage, `task` stays the caller's. It is
  // overdue if no thread has taken it at `deadline`.
  Shortage Submit(Task& task, Deadline deadline) ABSL_LOCKS_EXCLUDED(mutex_);
  // Has `task` wait for a thread, behind those that wait already.
  void Queue(Task task, Deadline deadline) ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes out the tasks that are overdue, for the caller to call.
  std::vector<Task> TakeOverdue() ABSL_LOCKS_EXCLUDED(mutex_);
  // When the next one will be; infinite, if none waits with a deadline.
  Deadline NextOverdue() ABSL_LOCKS_EXCLUDED(mutex_);

  // Runs `task` ahead of all others, on a thread beyond `max_threads` if need be. For tasks that
  // blocked handlers wait for, or that all calls wait for. False: all threads are busy, and the
  // system has no other to give; the first that is not takes the task, if there is any.
  bool SubmitUrgent(Task task) ABSL_LOCKS_EXCLUDED(mutex_);

  // How many there are, and may be.
  int threads() const ABSL_LOCKS_EXCLUDED(mutex_);
  int max_threads() const { return max_threads_; }

  // Waits until every submitted task has run, and ends the threads. Must not be called from a task.
  void Join() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Waiting {
    Task task;
    Deadline deadline;
  };

  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  // Makes sure that a thread takes one more task than wait already.
  Shortage Staff(int max_threads) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int max_threads_;
  const BirthProcess birth_;
  mutable Mutex mutex_;
  CondVar work_;
  CondVar gone_;
  bool joining_ ABSL_GUARDED_BY(mutex_) = false;
  int idle_ ABSL_GUARDED_BY(mutex_) = 0;
  int threads_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Waiting> tasks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_WORKER_POOL_H_
