#ifndef NIGH_CANCELLATION_H_
#define NIGH_CANCELLATION_H_

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "nigh/mutex.h"

namespace nigh {

// A request to stop that is made at most once, and those who want to hear of it. Thread-safe. What
// std::stop_source is, without the allocation.
class Cancellation {
 public:
  using Callback = absl::AnyInvocable<void()>;
  using Id = uint64_t;

  bool requested() const { return requested_.load(std::memory_order_acquire); }

  // Runs the callbacks, each once, in this thread, with no lock held.
  void Request() ABSL_LOCKS_EXCLUDED(mutex_);

  // The two halves of Request, for those who must not run somebody else's code: Mark requests, and
  // says whether there are callbacks, which RunCallbacks then runs.
  bool Mark() ABSL_LOCKS_EXCLUDED(mutex_);
  void RunCallbacks() ABSL_LOCKS_EXCLUDED(mutex_);

  // `callback` runs when Request is called, or at once if it has been.
  Id Add(Callback callback) ABSL_LOCKS_EXCLUDED(mutex_);

  // The callback will not run any more; if it is just running in another thread, waits until it
  // has.
  void Remove(Id id) ABSL_LOCKS_EXCLUDED(mutex_);

  // As Remove, for a callback that must not miss a request: if there was one and RunCallbacks has
  // not come to it yet, it runs here.
  void Settle(Id id) ABSL_LOCKS_EXCLUDED(mutex_);

  // As new. Nobody else may be using it, so it takes no lock.
  void Reset() ABSL_NO_THREAD_SAFETY_ANALYSIS;

 private:
  struct Entry {
    Id id = 0;  // 0: none
    Callback callback;
  };

  // The next to run; one without an id when there is none.
  Entry TakeNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Nothing when it is not there: its turn has come, or it was taken before.
  Callback Take(Id id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Until it has run, if it is just running. One that removes itself must not wait for itself.
  void AwaitRun(Id id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<bool> requested_ = false;
  Mutex mutex_;
  CondVar ran_;
  Id next_ ABSL_GUARDED_BY(mutex_) = 1;
  Id running_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread::id runner_ ABSL_GUARDED_BY(mutex_);
  // Nearly always there is one at most.
  Entry entry_ ABSL_GUARDED_BY(mutex_);
  std::vector<Entry> more_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh

#endif  // NIGH_CANCELLATION_H_
