#ifndef NIGH_RUNTIME_LOOP_COOLING_H_
#define NIGH_RUNTIME_LOOP_COOLING_H_

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "nigh/mutex.h"
#include "nigh/runtime/loop/poller.h"

namespace nigh {

// Large memory that was in use a moment ago is kept, for the system takes longer to give pages than
// it takes to fill them. It is let go of once it has not been used for a second, by a timer of a
// poller, which is there only meanwhile.
//
// Thread-safe.
class Cooling {
 public:
  // Memory is let go of when it has not been used for so long, or twice that.
  static constexpr absl::Duration kKeptFor = absl::Seconds(1);

  // `poller` gives the poller, or null where there is none now. `cool` lets go of memory, in that
  // poller's role, as its own task; it returns whether it is to be called again soon, because it
  // has let go of a part alone.
  Cooling(std::function<std::shared_ptr<Poller>()> poller, std::function<bool()> cool)
      : find_poller_(std::move(poller)), cool_(std::move(cool)) {}

  // Large memory is in use. `owner` has this object as a part of itself; while it lives, `cool`
  // may run. Cheap while a timer is set.
  void Use(const std::weak_ptr<void>& owner) ABSL_LOCKS_EXCLUDED(mutex_) {
    used_.store(true, std::memory_order_seq_cst);
    if (!armed_.load(std::memory_order_seq_cst)) Begin(owner);
  }

 private:
  void Begin(const std::weak_ptr<void>& owner) ABSL_LOCKS_EXCLUDED(mutex_);
  void Arm(const std::weak_ptr<void>& owner, absl::Duration after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tick(const std::weak_ptr<void>& owner) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::function<std::shared_ptr<Poller>()> find_poller_;
  const std::function<bool()> cool_;
  std::atomic<bool> used_ = false;   // since the last tick
  std::atomic<bool> armed_ = false;  // a timer is set; written under the mutex
  Mutex mutex_;
  std::shared_ptr<Poller> poller_ ABSL_GUARDED_BY(mutex_);  // while one is
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_COOLING_H_
