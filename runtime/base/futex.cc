#include "nigh/runtime/base/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <ctime>

#include "nigh/deadline.h"

namespace nigh {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));

void FutexWait(const std::atomic<uint32_t>& word, uint32_t value, Deadline deadline) {
  // FUTEX_WAIT takes a duration. FUTEX_WAIT_BITSET takes a point of time on the monotonic clock, so
  // it need not be computed anew after each wake-up.
  const timespec until = deadline.ToTimespec();
  (void)::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, value,
                  deadline.is_infinite() ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void FutexWake(const std::atomic<uint32_t>& word, int32_t count) {
  (void)::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

}  // namespace nigh
