#ifndef NIGH_RUNTIME_CLIENT_WAKE_SET_H_
#define NIGH_RUNTIME_CLIENT_WAKE_SET_H_

#include <cstdint>
#include <optional>

#include "nigh/deadline.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// Where the thread sleeps that pumps a connection.
//
// Shared memory has a bell, which is edge-triggered and rings only for who sleeps. It is in an
// epoll set of the connection's own from the first sleep on, so a sleep is one system call, and no
// ring has to be taken out, unless something waits for room. The descriptors of other media become
// ready with every frame. In a set, each frame that comes while nobody sleeps would cost the kernel
// some work, so they are polled.
class WakeSet {
 public:
  // Must be called first. `bell`: the connection may have one. False: the system has no descriptor
  // to give; errno says why.
  bool Open(bool bell);

  // Any thread. Ends the sleep of now, or else the next one.
  void Interrupt();

  // One thread at a time. Sleeps until there may be something to receive, or room for what waits,
  // or until Interrupt or `deadline`. May also return for no reason. Both are of one connection,
  // and armed.
  void Sleep(const Wake& frames, const std::optional<Wake>& room, Deadline deadline);

 private:
  bool SleepInSet(const Wake& frames, Deadline deadline);
  void Poll(const Wake& frames, const std::optional<Wake>& room, Deadline deadline);
  bool Add(int fd, uint32_t events);

  UniqueFd interrupt_;
  UniqueFd set_;  // has interrupt_, and later the connection's bell and end; or there is none
  bool has_bell_ = false;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_WAKE_SET_H_
