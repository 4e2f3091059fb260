#include "nigh/mutex.h"

#include <atomic>
#include <cstdint>

#include "nigh/deadline.h"
#include "nigh/runtime/base/futex.h"

namespace nigh {

void Mutex::LockContended() {
  // kContended even when it gets the lock: a thread that has slept cannot know whether others still
  // sleep. At worst, Unlock then wakes nobody. Acquire pairs with the release of Unlock.
  while (state_.exchange(kContended, std::memory_order_acquire) != kFree) {
    FutexWait(state_, kContended, Deadline::Infinite());
  }
}

void Mutex::WakeOne() { FutexWake(state_, 1); }

void CondVar::WaitUntil(Mutex& mutex, Deadline deadline) {
  // First the count, then the number; Wake does it the other way round. All four are sequentially
  // consistent: either Wake sees this waiter, or this waiter sees the new number and does not sleep
  // on it.
  waiters_.fetch_add(1, std::memory_order_seq_cst);
  const uint32_t seen = signals_.load(std::memory_order_seq_cst);
  // A signal from here on changes the number, so FutexWait returns at once.
  mutex.Unlock();
  FutexWait(signals_, seen, deadline);
  mutex.Lock();
  // Relaxed: a Wake that still counts this waiter makes a system call for nothing.
  waiters_.fetch_sub(1, std::memory_order_relaxed);
}

void CondVar::WakeSleepers(int32_t count) { FutexWake(signals_, count); }

}  // namespace nigh
