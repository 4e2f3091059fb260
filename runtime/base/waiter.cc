#include "nigh/base/waiter.h"

#include <sched.h>

#include <algorithm>
#include <cstdint>

#include "nigh/base/deadline.h"

namespace nigh {
namespace {

// Waking a sleeper on another CPU takes 20 to 40 us: what arrives within that time is better waited
// for.
constexpr int64_t kWakeNanos = 40'000;
// A yield that takes longer than this has given the CPU to somebody who needs it.
constexpr int64_t kLongYieldNanos = 20'000;
// Even when waits have usually been long, one wait in this many looks again: the load may have
// changed.
constexpr uint32_t kProbeEvery = 16;

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
  if (started_ != 0) {
    const int64_t waited = std::min(SteadyNanos() - started_, 10 * kWakeNanos);
    usual_ += (waited - usual_) / 4;
  }
  Reset();
}

void Waiter::Reset() {
  polls_ = 0;
  slept_ = contended_ = false;
  started_ = 0;
}

bool Waiter::PollAgain(PollCost cost) {
  const int spins = cost == PollCost::kCheap ? policy_.spins : 0;
  if (polls_ < spins) {
    ++polls_;
    Pause();
    return true;
  }
  if (started_ == 0) StartWait();
  if (slept_ || contended_ || polls_ >= spins + policy_.yields) return false;
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
