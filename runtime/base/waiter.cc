#include "nigh/transport/waiter.h"

#include <sched.h>

#include <algorithm>
#include <cstdint>

#include "nigh/deadline.h"
#include "nigh/runtime/base/awake_times.h"

namespace nigh {
namespace {

// After this many long yields lately, somebody else needs the CPU.
constexpr int kLongYields = 3;
// Even when waits have usually been long, or spins in vain, one wait in this many polls
// nevertheless: the load may have changed.
constexpr uint32_t kProbeEvery = 16;
// One wait in this many yields though that has cost slices: it may cost one more.
constexpr uint32_t kProbeYieldEvery = 256;
// After this many waits in a row that outlasted their spins, spinning is taken to be in vain.
constexpr int kVainSpins = 16;
// Polls of memory cost less than system calls, so this many times as many are worth making.
constexpr int kCheapYields = 4;

void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void Waiter::StartWait() {
  started_ = last_ = SteadyNanos();
  ++waits_;
}

void Waiter::Found() {
  // The clock has not been read yet: the wait ended while it spun.
  if (polls_ != 0 && started_ == 0) vain_spins_ = 0;
  if (started_ != 0) {
    if (long_yields_ > 0 && !yielded_long_) --long_yields_;
    if (lost_slices_ > 0 && yielded_ && !lost_slice_) --lost_slices_;
    if (spins_ != 0) vain_spins_ = std::min(vain_spins_ + 1, kVainSpins);
    // Capped, so that one very long wait does not outweigh the many that follow. What was announced
    // says nothing of waits for what is not.
    const int64_t waited = std::min(SteadyNanos() - started_, 10 * kAwakeTimes.wake_nanos);
    if (!expects_) usual_ += (waited - usual_) / 4;
  }
  Reset();
}

void Waiter::Reset() {
  polls_ = spins_ = 0;
  expects_ = slept_ = yielded_ = yielded_long_ = lost_slice_ = false;
  started_ = 0;
}

void Waiter::Expect() {
  Reset();
  expects_ = true;
}

bool Waiter::PollAgain(PollCost cost) {
  const bool cheap = cost == PollCost::kCheap;
  if (polls_ == 0 && started_ == 0) {
    const bool tries = vain_spins_ < kVainSpins || waits_ % kProbeEvery == 0;
    spins_ = cheap && tries ? policy_.spins : 0;
  }
  if (polls_ < spins_) {
    ++polls_;
    Pause();
    return true;
  }
  if (started_ == 0) StartWait();
  const int yields = cheap ? kCheapYields * policy_.yields : policy_.yields;
  const bool looked_long = last_ - started_ >= kAwakeTimes.look_nanos;
  if (slept_ || polls_ >= spins_ + yields || looked_long) return false;
  if (yielded_long_ && long_yields_ >= kLongYields) return false;
  if (lost_slices_ == kLongYields && waits_ % kProbeYieldEvery != 0) return false;
  if (!expects_ && usual_ > kAwakeTimes.wake_nanos && waits_ % kProbeEvery != 0) return false;
  ++polls_;
  yielded_ = true;
  sched_yield();
  const int64_t now = SteadyNanos();
  if (now - last_ > kAwakeTimes.long_yield_nanos) {
    yielded_long_ = true;
    long_yields_ = std::min(long_yields_ + 1, 2 * kLongYields);
  }
  if (now - last_ > kAwakeTimes.slice_nanos) {
    lost_slice_ = true;
    lost_slices_ = std::min(lost_slices_ + 1, kLongYields);
  }
  last_ = now;
  // One more poll follows even a long yield: it may be the peer that has run.
  return now - started_ < kAwakeTimes.look_nanos || yielded_long_;
}

}  // namespace nigh
