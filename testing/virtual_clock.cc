#include "nigh/testing/virtual_clock.h"

#include <atomic>
#include <cassert>
#include <cstdint>

#include "absl/time/time.h"
#include "nigh/deadline.h"

namespace nigh {

// What Deadline shows of itself.
class VirtualTime {
 public:
  static std::atomic<int64_t>& nanos() { return Deadline::virtual_nanos; }
};

namespace testing {

VirtualClock::VirtualClock() {
  // It begins at the time that it is, so what was set before is as far away as it was.
  const int64_t before = VirtualTime::nanos().exchange(SteadyNanos(), std::memory_order_relaxed);
  assert(before == 0 && "there is one virtual clock at a time");
  (void)before;
}

VirtualClock::~VirtualClock() { VirtualTime::nanos().store(0, std::memory_order_relaxed); }

void VirtualClock::Advance(absl::Duration by) {
  assert(by >= absl::ZeroDuration());
  VirtualTime::nanos().fetch_add(absl::ToInt64Nanoseconds(by), std::memory_order_relaxed);
}

}  // namespace testing
}  // namespace nigh
