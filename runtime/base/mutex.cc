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

// Sleeps while `word` is `value`, until somebody wakes it or until `deadline`; or wakes for no
// reason.
void Sleep(const std::atomic<uint32_t>& word, uint32_t value, Deadline deadline) {
  // FUTEX_WAIT_BITSET, unlike FUTEX_WAIT, takes a moment and not a duration.
  const timespec until = deadline.ToTimespec();
  (void)::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, value,
                  deadline.is_infinite() ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

// Nothing of `word` is read, so it may be gone already.
void WakeUp(const std::atomic<uint32_t>& word, int32_t count) {
  (void)::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

}  // namespace

void Mutex::LockContended() {
  // Whoever has slept cannot know whether others still do.
  while (state_.exchange(kContended, std::memory_order_acquire) != kFree) {
    Sleep(state_, kContended, Deadline::Infinite());
  }
}

void Mutex::WakeOne() { WakeUp(state_, 1); }

void CondVar::WaitUntil(Mutex& mutex, Deadline deadline) {
  waiters_.fetch_add(1, std::memory_order_seq_cst);
  const uint32_t seen = signals_.load(std::memory_order_seq_cst);
  mutex.Unlock();
  Sleep(signals_, seen, deadline);
  mutex.Lock();
  waiters_.fetch_sub(1, std::memory_order_relaxed);
}

void CondVar::WakeSleepers(int32_t count) { WakeUp(signals_, count); }

}  // namespace nigh
