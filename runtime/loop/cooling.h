#ifndef NIGH_RUNTIME_LOOP_COOLING_H_
#define NIGH_RUNTIME_LOOP_COOLING_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "nigh/mutex.h"
#include "nigh/runtime/loop/poller.h"

namespace nigh {

// Large memory that was in use a moment ago is kept, for the system takes longer to give pages than
// it takes to fill them. It is let go of once it has not been used for a second: by a timer of a
// poller, which is there only meanwhile, or by whoever comes by later and finds it overdue.
//
// Thread-safe.
class Cooling {
 public:
  // Memory is let go of when it has not been used for so long, or up to twice that.
  static constexpr absl::Duration kKeptFor = absl::Seconds(1);

  // `poller` gives a poller, or null where there is none. `cool` lets go of memory, or has it let
  // go of, as a task of that poller, in its role. It is called again soon as long as it returns
  // true, for it lets go of a part at a time.
  Cooling(std::function<std::shared_ptr<Poller>()> poller, std::function<bool()> cool)
      : find_poller_(std::move(poller)), cool_(std::move(cool)) {}

  // Large memory has been used, and is kept. `owner` has this object as a part of itself; `cool`
  // runs only while it lives.
  void Use(const std::weak_ptr<void>& owner) ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether what is kept has not been used for a second.
  bool IsDue() const;
  // What was due is not kept any more.
  void Forget();

 private:
  static bool IsLongAgo(int64_t use);
  void Begin(const std::weak_ptr<void>& owner) ABSL_LOCKS_EXCLUDED(mutex_);
  bool Arm(const std::weak_ptr<void>& owner, absl::Duration after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tick(const std::weak_ptr<void>& owner) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::function<std::shared_ptr<Poller>()> find_poller_;
  const std::function<bool()> cool_;
  std::atomic<int64_t> last_use_ = 0;  // nanoseconds, by which deadlines are measured; 0: none
  std::atomic<bool> armed_ = false;    // a timer is set; written under the mutex
  Mutex mutex_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_COOLING_H_
