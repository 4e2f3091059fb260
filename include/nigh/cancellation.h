#ifndef NIGH_CANCELLATION_H_
#define NIGH_CANCELLATION_H_

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "nigh/api.h"
#include "nigh/mutex.h"

namespace nigh {

// A request to stop, which is made at most once, and the callbacks that hear of it. Thread-safe.
// The role of std::stop_source, without its allocation.
class NIGH_API Cancellation {
 public:
  using Callback = absl::AnyInvocable<void()>;
  using Id = uint64_t;

  // Sequentially consistent, as the request is: whoever is about to sleep (ParkingSpot) sees it, or
  // is woken.
  bool requested() const { return requested_.load(std::memory_order_seq_cst); }

  // Makes the request. Runs each callback once, in this thread, with no lock held.
  void Request() ABSL_LOCKS_EXCLUDED(mutex_);

  // The two halves of Request, for threads that must not run somebody else's code. Mark makes the
  // request and returns whether there are callbacks. RunCallbacks then runs them.
  bool Mark() ABSL_LOCKS_EXCLUDED(mutex_);
  void RunCallbacks() ABSL_LOCKS_EXCLUDED(mutex_);

  // `callback` runs when Request is called; at once, in this thread, if it has been called already.
  Id Add(Callback callback) ABSL_LOCKS_EXCLUDED(mutex_);

  // After Remove, the callback does not run any more. If it is running in another thread, Remove
  // waits until it has returned.
  void Remove(Id id) ABSL_LOCKS_EXCLUDED(mutex_) {
    if (id != 0) RemoveOne(id);
  }

  // As Remove, for a callback that must not miss a request. If there was a request and RunCallbacks
  // has not reached the callback yet, it runs here.
  void Settle(Id id) ABSL_LOCKS_EXCLUDED(mutex_);

  // Makes it as new. Takes no lock, so nobody else may be using it.
  void Reset() ABSL_NO_THREAD_SAFETY_ANALYSIS;

 private:
  void RemoveOne(Id id) ABSL_LOCKS_EXCLUDED(mutex_);

  struct Entry {
    Id id = 0;  // 0: none
    Callback callback;
  };

  // Takes the next callback to run. Its id is 0 when there is none.
  Entry TakeNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes the callback `id`. Returns null if it has been taken before, by its turn or by Remove.
  Callback Take(Id id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits while the callback `id` is running. Does not wait in the callback itself, which may
  // remove itself.
  void AwaitRun(Id id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<bool> requested_ = false;
  Mutex mutex_;
  CondVar ran_;
  Id next_ ABSL_GUARDED_BY(mutex_) = 1;
  Id running_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread::id runner_ ABSL_GUARDED_BY(mutex_);
  // The first callback and the others. Nearly always there is one at most.
  Entry entry_ ABSL_GUARDED_BY(mutex_);
  std::vector<Entry> more_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh

#endif  // NIGH_CANCELLATION_H_
