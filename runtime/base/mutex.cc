#include "nigh/mutex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <ctime>

#include "nigh/deadline.h"

namespace nigh {
namespace {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));

// Sleeps until somebody calls WakeUp or until `deadline`, unless `word` is not `value` any more.
// The kernel compares and falls asleep in one step. May also return for no reason.
void Sleep(const std::atomic<uint32_t>& word, uint32_t value, Deadline deadline) {
  // FUTEX_WAIT takes a duration. FUTEX_WAIT_BITSET takes a point of time on the monotonic clock, so
  // it need not be computed anew after each wake-up.
  const timespec until = deadline.ToTimespec();
  (void)::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, value,
                  deadline.is_infinite() ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

// The kernel uses only the address of `word`, so the word may have been destroyed already.
void WakeUp(const std::atomic<uint32_t>& word, int32_t count) {
  (void)::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

}  // namespace

void Mutex::LockContended() {
  // kContended even when it gets the lock: a thread that has slept cannot know whether others still
  // sleep. At worst, Unlock then wakes nobody. Acquire pairs with the release of Unlock.
  while (state_.exchange(kContended, std::memory_order_acquire) != kFree) {
    Sleep(state_, kContended, Deadline::Infinite());
  }
}

void Mutex::WakeOne() { WakeUp(state_, 1); }

void CondVar::WaitUntil(Mutex& mutex, Deadline deadline) {
  // First the count, then the number; Wake does it the other way round. All four are sequentially
  // consistent: either Wake sees this waiter, or this waiter sees the new number and does not sleep
  // on it.
  waiters_.fetch_add(1, std::memory_order_seq_cst);
  const uint32_t seen = signals_.load(std::memory_order_seq_cst);
  // A signal from here on changes the number, so Sleep returns at once.
  mutex.Unlock();
  Sleep(signals_, seen, deadline);
  mutex.Lock();
  // Relaxed: a Wake that still counts this waiter makes a system call for nothing.
  waiters_.fetch_sub(1, std::memory_order_relaxed);
}

void CondVar::WakeSleepers(int32_t count) { WakeUp(signals_, count); }

}  // namespace nigh
