#ifndef NIGH_MUTEX_H_
#define NIGH_MUTEX_H_

#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "nigh/deadline.h"

namespace nigh {

// A lock of one word, free, held, or held with others asleep on it, which a call passes in a few
// instructions where nobody contends for it: std::mutex takes some fifty a time, and a call passes
// about twenty. The third mutex of Drepper, "Futexes Are Tricky" (2011). Not absl::Mutex: where
// Abseil comes uninstrumented from the distribution, ThreadSanitizer cannot see its hand-offs and
// reports races that are none.
class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    if (!TryLock()) LockContended();
  }
  void Unlock() ABSL_UNLOCK_FUNCTION() {
    if (state_.exchange(kFree, std::memory_order_release) == kContended) WakeOne();
  }
  bool TryLock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) {
    uint32_t expected = kFree;
    return state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }

 private:
  static constexpr uint32_t kFree = 0;
  static constexpr uint32_t kHeld = 1;
  static constexpr uint32_t kContended = 2;  // held, and somebody may be asleep

  void LockContended();
  void WakeOne();

  std::atomic<uint32_t> state_ = kFree;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// What ABSL_UNLOCK_FUNCTION cannot say: that it is exclusive, without which the analysis does not
// understand a scope that releases.
#if defined(__clang__)
#define NIGH_RELEASES(...) __attribute__((release_capability(__VA_ARGS__)))
#else
#define NIGH_RELEASES(...)
#endif

// The opposite of MutexLock: releases a held mutex for the length of a scope, to run code that must
// not run under it.
class ABSL_SCOPED_LOCKABLE MutexUnlock {
 public:
  explicit MutexUnlock(Mutex& mutex) NIGH_RELEASES(mutex) : mutex_(mutex) { mutex_.Unlock(); }
  // To the analysis, the end of a scope that has released takes back.
  ~MutexUnlock() NIGH_RELEASES() { mutex_.Lock(); }
  MutexUnlock(const MutexUnlock&) = delete;
  MutexUnlock& operator=(const MutexUnlock&) = delete;

 private:
  Mutex& mutex_;
};

#undef NIGH_RELEASES

// Waits with the mutex held; may wake for no reason. A signal that nobody waits for is a few
// instructions.
class CondVar {
 public:
  CondVar() = default;
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;

  void Wait(Mutex& mutex) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    WaitUntil(mutex, Deadline::Infinite());
  }

  // Returns at `deadline` at the latest.
  void WaitUntil(Mutex& mutex, Deadline deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // What has been written under the mutex before is seen by those who wake. Whoever may destroy
  // this once it is woken must not be able to until Signal has returned: signal under the mutex.
  void Signal() { Wake(1); }
  void SignalAll() { Wake(INT32_MAX); }

 private:
  void Wake(int32_t count) {
    // Sequentially consistent, as in WaitUntil: either this sees the waiter, or the waiter has read
    // the new number and does not sleep on it.
    signals_.fetch_add(1, std::memory_order_seq_cst);
    if (waiters_.load(std::memory_order_seq_cst) != 0) WakeSleepers(count);
  }
  void WakeSleepers(int32_t count);

  std::atomic<uint32_t> signals_ = 0;  // so far; what sleepers sleep on
  std::atomic<uint32_t> waiters_ = 0;
};

}  // namespace nigh

#endif  // NIGH_MUTEX_H_
