#ifndef NIGH_RUNTIME_BASE_PIDFD_H_
#define NIGH_RUNTIME_BASE_PIDFD_H_

#include <poll.h>

#include "nigh/runtime/base/uninterrupted.h"

namespace nigh {

// Whether the process behind `pidfd` lives, so that its number was its own until now. No: there is
// no pidfd.
inline bool Lives(int pidfd) {
  pollfd entry = {.fd = pidfd, .events = POLLIN, .revents = 0};
  return pidfd >= 0 && Uninterrupted([&] { return ::poll(&entry, 1, 0); }) == 0;
}

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_PIDFD_H_
