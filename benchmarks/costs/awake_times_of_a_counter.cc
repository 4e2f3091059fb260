// A tool that counts instructions runs one thread at a time, each some fifty times as slow as it
// is. What is counted is a call between two sides that are awake, and what such a call does once in
// so many microseconds it must not do each time.

#include "nigh/runtime/base/awake_times.h"

namespace nigh {

constinit const AwakeTimes kAwakeTimes = AwakeTimes().Times(1000);

}  // namespace nigh
