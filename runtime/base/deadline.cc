#include "nigh/deadline.h"

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <limits>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace nigh {

Deadline Deadline::After(absl::Duration timeout) {
  if (timeout == absl::InfiniteDuration()) return Infinite();
  const int64_t left = std::max<int64_t>(0, absl::ToInt64Nanoseconds(timeout));
  const int64_t now = SteadyNanos();
  // The sum could overflow.
  return left >= kNever - now ? Infinite() : AtNanos(now + left);
}

Deadline Deadline::At(absl::Time time) {
  if (time == absl::InfiniteFuture()) return Infinite();
  return After(time - absl::Now());
}

absl::Duration Deadline::Remaining() const {
  return is_infinite() ? absl::InfiniteDuration() : absl::Nanoseconds(RemainingNanos());
}

int Deadline::RemainingMillis() const {
  if (is_infinite()) return -1;
  // Rounded up: a wait that ends too early would be followed by another of 0 ms, in a busy loop.
  const int64_t millis = (RemainingNanos() + 999'999) / 1'000'000;
  return static_cast<int>(std::min<int64_t>(millis, std::numeric_limits<int>::max()));
}

timespec Deadline::RemainingTimespec() const {
  return absl::ToTimespec(absl::Nanoseconds(RemainingNanos()));
}

timespec Deadline::ToTimespec() const { return absl::ToTimespec(absl::Nanoseconds(nanos_)); }

}  // namespace nigh
