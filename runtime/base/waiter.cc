#include "nigh/transport/waiter.h"

#include <sched.h>

#include <algorithm>
#include <cstdint>

#include "nigh/deadline.h"

namespace nigh {
namespace {

// Waking a sleeper on another CPU takes 20 to 40 us: what arrives within that time is better waited
// for.
constexpr int64_t kWakeNanos = 40'000;
// A yield that takes longer than this has given the CPU to somebody who needs it.
constexpr int64_t kLongYieldNanos = 20'000;
// Even when waits have usually been long, or spins in vain, one wait in this many tries again: the
// load may have changed.
constexpr uint32_t kProbeEvery = 16;
// So many waits in a row must outlast their spins.
constexpr int kVainSpins = 16;
// Yields between polls of memory for one between system calls.
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
  if (polls_ != 0 && started_ == 0) vain_spins_ = 0;
  if (started_ != 0) {
    if (spins_ != 0) vain_spins_ = std::min(vain_spins_ + 1, kVainSpins);
    const int64_t waited = std::min(SteadyNanos() - started_, 10 * kWakeNanos);
    usual_ += (waited - usual_) / 4;
  }
  Reset();
}

void Waiter::Reset() {
  polls_ = spins_ = 0;
  slept_ = contended_ = false;
  started_ = 0;
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
  if (slept_ || contended_ || polls_ >= spins_ + yields) return false;
  if (usual_ > kWakeNanos && waits_ % kProbeEvery != 0) return false;
  ++polls_;
  sched_yield();
  const int64_t now = SteadyNanos();
  contended_ = now - last_ > kLongYieldNanos;
  last_ = now;
  // One more poll follows even a long yield: the peer may be who ran.
  return now - started_ < 2 * kWakeNanos || contended_;
}

}  // namespace nigh
