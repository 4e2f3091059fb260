#ifndef NIGH_BENCHMARKS_COSTS_COUNTED_H_
#define NIGH_BENCHMARKS_COSTS_COUNTED_H_

#include <atomic>
#include <cstdint>

namespace nigh::benchmarks {

// How often this process has called what counted.cc puts in front of libc's functions. Timing stays
// as it is, which a tracer would change: whether a reply comes while its caller still polls depends
// on it.
struct Counts {
  std::atomic<int64_t> allocations = 0;
  std::atomic<int64_t> sends = 0;     // that moved bytes
  std::atomic<int64_t> receives = 0;  // that moved bytes
  std::atomic<int64_t> blocked = 0;   // sends and receives that moved nothing
  std::atomic<int64_t> yields = 0;    // sched_yield
  std::atomic<int64_t> sleeps = 0;    // poll, ppoll, epoll_wait that may block
  std::atomic<int64_t> looks = 0;     // the same with a timeout of 0
  std::atomic<int64_t> wakeups = 0;   // reads and writes of eventfds
  std::atomic<int64_t> timers = 0;    // timerfd_settime

  void Reset();
};

extern Counts counts;

// False under a sanitizer, which has functions of its own there.
bool CountsAllocations();

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_COSTS_COUNTED_H_
