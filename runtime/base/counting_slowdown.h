#ifndef NIGH_RUNTIME_BASE_COUNTING_SLOWDOWN_H_
#define NIGH_RUNTIME_BASE_COUNTING_SLOWDOWN_H_

#include <cstdint>

namespace nigh {

// A tool that counts instructions runs one thread at a time, each some fifty times as slow as it
// is. What is counted is a call between two sides that are awake, and what such a call does once in
// so many microseconds it must not do each time: those times are so many times as long there.
#if defined(NIGH_COUNT_INSTRUCTIONS)
inline constexpr int64_t kCountingSlowdown = 1000;
#else
inline constexpr int64_t kCountingSlowdown = 1;
#endif

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_COUNTING_SLOWDOWN_H_
