#ifndef NIGH_RUNTIME_BASE_TICKS_H_
#define NIGH_RUNTIME_BASE_TICKS_H_

#include <cstdint>

#if !defined(__x86_64__)
#include "nigh/deadline.h"
#endif

namespace nigh {

// A count that grows with time, for whoever only needs to know whether something was long ago. It
// takes less than half as long as reading the clock, but its rate is not known: one to five ticks a
// nanosecond.
inline int64_t Ticks() {
#if defined(__x86_64__)
  // By the compilers' own name for it: x86intrin.h is over a megabyte to read.
  return static_cast<int64_t>(__builtin_ia32_rdtsc());
#else
  return SteadyNanos();
#endif
}

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_TICKS_H_
