#ifndef NIGH_DEADLINE_H_
#define NIGH_DEADLINE_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <ctime>
#include <limits>

#include "absl/time/time.h"
#include "nigh/api.h"

namespace nigh {

// The steady clock's time, in nanoseconds since an arbitrary start. Deadlines use it because the
// wall clock can be set back or forward, and that must not move a deadline.
inline int64_t SteadyNanos() {
  timespec now;
  (void)::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// A moment on this process's steady clock, or never. On the wire it is the time that is left.
//
// A test may have deadlines pass without waiting for them: nigh/testing/virtual_clock.h.
class NIGH_API Deadline {
 public:
  // The time by which deadlines are measured: SteadyNanos(), or a virtual clock's.
  static int64_t NowNanos() {
    const int64_t now = virtual_nanos.load(std::memory_order_relaxed);
    return now == 0 ? SteadyNanos() : now;
  }

  // Never.
  constexpr Deadline() = default;
  static constexpr Deadline Infinite() { return Deadline(); }
  static constexpr Deadline AtNanos(int64_t nanos) { return Deadline(nanos); }
  // The moment `timeout` from now. Zero or less: it has passed already.
  static Deadline After(absl::Duration timeout);
  // The moment at which the wall clock, as it is set now, reads `time`.
  static Deadline At(absl::Time time);

  constexpr bool is_infinite() const { return nanos_ == kNever; }
  constexpr int64_t nanos() const { return nanos_; }
  bool HasPassed() const { return !is_infinite() && NowNanos() >= nanos_; }

  // The time that is left, at least 0. The largest int64_t when infinite.
  int64_t RemainingNanos() const {
    return is_infinite() ? kNever : std::max<int64_t>(0, nanos_ - NowNanos());
  }
  absl::Duration Remaining() const;

  // How long system calls are to sleep. By a virtual clock that is a millisecond at most, for the
  // kernel knows no such clock: whoever sleeps looks at it when he wakes, and sleeps on.
  //
  // For poll(2) and epoll_wait(2): the time that is left, rounded up so that a wait never ends
  // early. -1 when infinite.
  int RemainingMillis() const;
  // For system calls that take a duration (ppoll(2)): the time that is left, at least 0. Centuries
  // when infinite.
  timespec RemainingTimespec() const;
  // For system calls that take a moment of CLOCK_MONOTONIC (futex(2), timerfd_settime(2)): this
  // moment, for CLOCK_MONOTONIC is the steady clock. Centuries away when infinite.
  timespec ToTimespec() const;

  friend constexpr bool operator==(Deadline, Deadline) = default;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 sees a 0 in what is defaulted
  friend constexpr auto operator<=>(Deadline, Deadline) = default;

 private:
  friend class VirtualTime;  // nigh/testing/virtual_clock.h

  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  constexpr explicit Deadline(int64_t nanos) : nanos_(nanos) {}
  // RemainingNanos(), or less: how long the kernel is to sleep.
  int64_t SleepNanos() const;

  // What a virtual clock reads; 0: there is none.
  static std::atomic<int64_t> virtual_nanos;

  int64_t nanos_ = kNever;
};

}  // namespace nigh

#endif  // NIGH_DEADLINE_H_
