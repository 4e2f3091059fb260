#ifndef NIGH_MUTEX_H_
#define NIGH_MUTEX_H_

#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "nigh/api.h"
#include "nigh/deadline.h"

namespace nigh {

#if defined(NIGH_COUNT_LOCKS)
// How often any Mutex has been locked: for a program that counts (benchmarks/costs).
inline std::atomic<int64_t> locks_taken = 0;
#endif

// A lock of one word. It is free, held, or held with others asleep on it. Without contention it is
// locked and unlocked in a few instructions; std::mutex takes some fifty each time. The algorithm
// is the third mutex of Drepper, "Futexes Are Tricky" (2011).
//
// Why not absl::Mutex: the distribution's Abseil is not instrumented. ThreadSanitizer cannot see
// its hand-offs and reports races that do not exist.
class NIGH_API ABSL_LOCKABLE Mutex {
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
#if defined(NIGH_COUNT_LOCKS)
    locks_taken.fetch_add(1, std::memory_order_relaxed);
#endif
    uint32_t expected = kFree;
    return state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }
  // By who holds it: whether somebody else wants it, as far as one load tells.
  bool contended() const { return state_.load(std::memory_order_relaxed) == kContended; }

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

// What ABSL_UNLOCK_FUNCTION cannot say: that the release is exclusive. Without it, the analysis
// does not understand a scope that releases.
#if defined(__clang__)
#define NIGH_RELEASES(...) __attribute__((release_capability(__VA_ARGS__)))
#else
#define NIGH_RELEASES(...)
#endif

// The opposite of MutexLock: releases a held mutex for a scope, in which code runs that must not
// run under it.
class ABSL_SCOPED_LOCKABLE MutexUnlock {
 public:
  explicit MutexUnlock(Mutex& mutex) NIGH_RELEASES(mutex) : mutex_(mutex) { mutex_.Unlock(); }
  // To the analysis, the end of a scope that has released means locking again.
  ~MutexUnlock() NIGH_RELEASES() { mutex_.Lock(); }
  MutexUnlock(const MutexUnlock&) = delete;
  MutexUnlock& operator=(const MutexUnlock&) = delete;

 private:
  Mutex& mutex_;
};

#undef NIGH_RELEASES

// A condition variable for Mutex. Waiters hold the mutex, and may wake for no reason. A signal that
// nobody waits for costs a few instructions.
class NIGH_API CondVar {
 public:
  CondVar() = default;
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;

  void Wait(Mutex& mutex) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    WaitUntil(mutex, Deadline::Infinite());
  }

  // Returns at `deadline` at the latest.
  void WaitUntil(Mutex& mutex, Deadline deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  // Wakes one waiter, or all. Waiters see what was written under the mutex before. A waiter that
  // may destroy this object once it is awake must not do so before Signal has returned; to ensure
  // that, signal under the mutex.
  void Signal() { Wake(1); }
  void SignalAll() { Wake(INT32_MAX); }

 private:
  void Wake(int32_t count) {
    // Sequentially consistent, as in WaitUntil. So either this thread sees the waiter, or the
    // waiter has read the new number and does not sleep on it.
    signals_.fetch_add(1, std::memory_order_seq_cst);
    if (waiters_.load(std::memory_order_seq_cst) != 0) WakeSleepers(count);
  }
  void WakeSleepers(int32_t count);

  std::atomic<uint32_t> signals_ = 0;  // the number so far; sleepers sleep on it
  std::atomic<uint32_t> waiters_ = 0;
};

}  // namespace nigh

#endif  // NIGH_MUTEX_H_
