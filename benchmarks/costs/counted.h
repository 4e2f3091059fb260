#ifndef NIGH_BENCHMARKS_COSTS_COUNTED_H_
#define NIGH_BENCHMARKS_COSTS_COUNTED_H_

#include <atomic>
#include <cstdint>

namespace nigh::benchmarks {

// How often this process has called functions of libc; counted.cc puts its own in front of them. A
// tracer would change the timing, and with it the counts: whether a reply comes while its caller
// still polls depends on timing.
struct Counts {
  std::atomic<int64_t> allocations = 0;
  std::atomic<int64_t> sends = 0;     // that moved bytes
  std::atomic<int64_t> receives = 0;  // that moved bytes
  std::atomic<int64_t> blocked = 0;   // sends and receives that moved nothing
  std::atomic<int64_t> yields = 0;    // sched_yield
  std::atomic<int64_t> sleeps = 0;    // ppoll and epoll_wait(2) that may block
  std::atomic<int64_t> looks = 0;     // the same functions with a timeout of 0
  std::atomic<int64_t> wakeups = 0;   // reads and writes of eventfds
  std::atomic<int64_t> timers = 0;    // timerfd_settime

  void Reset();
};

extern Counts counts;

// Whether allocations are counted. False under a sanitizer, which puts its own functions there.
bool CountsAllocations();

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_COSTS_COUNTED_H_
