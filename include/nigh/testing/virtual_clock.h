#ifndef NIGH_TESTING_VIRTUAL_CLOCK_H_
#define NIGH_TESTING_VIRTUAL_CLOCK_H_

#include "absl/time/time.h"

namespace nigh::testing {

// A clock that stands still until it is advanced. While one lives, all of this process's deadlines,
// timers, backoffs and graces go by it, so that a test of what happens after a minute takes no
// minute, and none fails because the machine was slow:
//
//   nigh::testing::VirtualClock clock;
//   const nigh::CallOptions minute = {.timeout = absl::Minutes(1)};
//   std::thread caller([&] { status = stub.Slow(request, minute).status(); });
//   ...                                   // until the handler runs
//   clock.Advance(absl::Minutes(1));
//   caller.join();                        // DEADLINE_EXCEEDED
//
// It is this process's alone. What a call says of its deadline is the time that is left, which a
// server in another process measures by its own clock. How long threads spin, and when a handler
// has run for so long that another thread takes over, remain matters of real time.
//
// To be made before the channels and servers that are to go by it, and destroyed after them. There
// is one at a time. Threads that sleep until a deadline look at the clock each millisecond.
class VirtualClock {
 public:
  VirtualClock();
  ~VirtualClock();
  VirtualClock(const VirtualClock&) = delete;
  VirtualClock& operator=(const VirtualClock&) = delete;

  // Any thread. `by` is not negative. What is due then happens soon, not before this returns.
  void Advance(absl::Duration by);
};

}  // namespace nigh::testing

#endif  // NIGH_TESTING_VIRTUAL_CLOCK_H_
