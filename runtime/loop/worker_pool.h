#ifndef NIGH_RUNTIME_LOOP_WORKER_POOL_H_
#define NIGH_RUNTIME_LOOP_WORKER_POOL_H_

#include <deque>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "nigh/mutex.h"

namespace nigh {

// Threads that appear as they are needed and go when they have had nothing to do for a while.
// Handlers may block, so a task never waits for another to end as long as there are fewer than
// `max_threads`. Thread-safe.
class WorkerPool {
 public:
  using Task = absl::AnyInvocable<void()>;

  explicit WorkerPool(int max_threads) : max_threads_(max_threads) {}
  ~WorkerPool() { Join(); }

  // Runs `task` on one of the threads, soon.
  void Submit(Task task) ABSL_LOCKS_EXCLUDED(mutex_);

  // The same, ahead of all others, and on a thread beyond `max_threads` if need be: for what
  // blocked handlers wait for, or all calls do. False: there is no thread at all, nor can one be
  // made.
  bool SubmitUrgent(Task task) ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until every task that was submitted has run, and ends the threads. Not from a task.
  void Join() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  // Makes sure that a thread will take what was just queued. False: only if there is none at all.
  bool Staff(int max_threads) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int max_threads_;
  Mutex mutex_;
  CondVar work_;
  CondVar gone_;
  bool joining_ ABSL_GUARDED_BY(mutex_) = false;
  int idle_ ABSL_GUARDED_BY(mutex_) = 0;
  int threads_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_WORKER_POOL_H_
