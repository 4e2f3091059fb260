#include "nigh/deadline.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <ctime>
#include <limits>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace nigh {
namespace {

// How long a sleeper may miss that a virtual clock has been advanced.
constexpr int64_t kLookNanos = 1'000'000;

}  // namespace

constinit std::atomic<int64_t> Deadline::virtual_nanos = 0;

Deadline Deadline::After(absl::Duration timeout) {
  if (timeout == absl::InfiniteDuration()) return Infinite();
  const int64_t left = std::max<int64_t>(0, absl::ToInt64Nanoseconds(timeout));
  const int64_t now = NowNanos();
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

int64_t Deadline::SleepNanos() const {
  const int64_t left = RemainingNanos();
  const bool looks = !is_infinite() && virtual_nanos.load(std::memory_order_relaxed) != 0;
  return looks ? std::min(left, kLookNanos) : left;
}

int Deadline::RemainingMillis() const {
  if (is_infinite()) return -1;
  // Rounded up: a wait that ends too early would be followed by another of 0 ms, in a busy loop.
  const int64_t millis = (SleepNanos() + 999'999) / 1'000'000;
  return static_cast<int>(std::min<int64_t>(millis, std::numeric_limits<int>::max()));
}

timespec Deadline::RemainingTimespec() const {
  return absl::ToTimespec(absl::Nanoseconds(SleepNanos()));
}

timespec Deadline::ToTimespec() const {
  const bool looks = !is_infinite() && virtual_nanos.load(std::memory_order_relaxed) != 0;
  return absl::ToTimespec(absl::Nanoseconds(looks ? SteadyNanos() + SleepNanos() : nanos_));
}

}  // namespace nigh
