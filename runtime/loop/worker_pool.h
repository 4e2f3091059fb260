#ifndef NIGH_RUNTIME_LOOP_WORKER_POOL_H_
#define NIGH_RUNTIME_LOOP_WORKER_POOL_H_

#include <deque>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/birth_process.h"

namespace nigh {

// A pool of threads. Threads start when they are needed and end when they have been idle for a
// while. Tasks may block: as long as there are fewer than `max_threads`, no task waits for another
// to end. Thread-safe.
class WorkerPool {
 public:
  using Task = absl::AnyInvocable<void()>;

  explicit WorkerPool(int max_threads) : max_threads_(max_threads) {}
  ~WorkerPool() { Join(); }

  // Runs `task` on one of the threads, soon.
  void Submit(Task task) ABSL_LOCKS_EXCLUDED(mutex_);

  // Runs `task` ahead of all others, on a thread beyond `max_threads` if need be. For tasks that
  // blocked handlers wait for, or that all calls wait for. False: there is no thread, and the
  // system has none to give; `task` is dropped.
  bool SubmitUrgent(Task task) ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until every submitted task has run, and ends the threads. Must not be called from a task.
  void Join() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  // Makes sure that a thread will take the task that was just queued. False: there is no thread.
  bool Staff(int max_threads) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int max_threads_;
  const BirthProcess birth_;
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
