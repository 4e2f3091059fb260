#ifndef NIGH_RUNTIME_BASE_FUTEX_H_
#define NIGH_RUNTIME_BASE_FUTEX_H_

#include <atomic>
#include <cstdint>

#include "nigh/deadline.h"

namespace nigh {

// futex(2), between threads of this process.

// Sleeps until somebody calls FutexWake or until `deadline`, unless `word` is not `value` any more.
// The kernel compares and falls asleep in one step. May also return for no reason.
void FutexWait(const std::atomic<uint32_t>& word, uint32_t value, Deadline deadline);

// Wakes up to `count` sleepers. The kernel uses only the address of `word`, so the word may have
// been destroyed already.
void FutexWake(const std::atomic<uint32_t>& word, int32_t count);

// An atomic word that a thread can sleep on.
class FutexWord : public std::atomic<uint32_t> {
 public:
  using std::atomic<uint32_t>::atomic;

  void Wait(uint32_t value, Deadline deadline) const { FutexWait(*this, value, deadline); }
  void WakeOne() const { FutexWake(*this, 1); }
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_FUTEX_H_
