#ifndef NIGH_RUNTIME_BASE_AWAKE_TIMES_H_
#define NIGH_RUNTIME_BASE_AWAKE_TIMES_H_

#include <cstdint>

namespace nigh {

// How long a thread that is awake goes on before it does what is costly.
struct AwakeTimes {
  // Waking a sleeper on another CPU takes 20 to 40 us. It pays to poll for what arrives within that
  // time.
  int64_t wake_nanos = 40'000;
  // A wait that has lasted this long goes on asleep.
  int64_t look_nanos = 2 * wake_nanos;
  // A yield that takes longer than this has given the CPU to another thread. That thread may run
  // for a moment and be gone.
  int64_t long_yield_nanos = 20'000;
  // One that takes as long as this has given it to a thread that keeps it for a whole slice of the
  // scheduler's, milliseconds. A thread that sleeps instead is back as soon as it is woken.
  int64_t slice_nanos = 500'000;
  // While hot sources have work, the others of a poller wait at most about this long, and for a few
  // handlers.
  int64_t events_nanos = 100'000;
  // A connection at which nobody has looked for longer than this, 40 to 200 us, is looked at before
  // it gets a call: the server may have been restarted.
  int64_t stale_ticks = 200'000;

  constexpr AwakeTimes Times(int64_t factor) const {
    return {.wake_nanos = wake_nanos * factor,
            .look_nanos = look_nanos * factor,
            .long_yield_nanos = long_yield_nanos * factor,
            .slice_nanos = slice_nanos * factor,
            .events_nanos = events_nanos * factor,
            .stale_ticks = stale_ticks * factor};
  }
};

// An object file has it to itself, so that a program in which every thread is slower by far may
// bring another: one whose instructions are counted (benchmarks/costs).
extern const AwakeTimes kAwakeTimes;

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_AWAKE_TIMES_H_
