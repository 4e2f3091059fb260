#ifndef NIGH_RUNTIME_BASE_EPOLL_SET_H_
#define NIGH_RUNTIME_BASE_EPOLL_SET_H_

#include <sys/epoll.h>

#include <cstdint>

namespace nigh {

// Has the epoll set tell of `events` on `fd`, which is the data of each. Without a descriptor, does
// nothing. False: the system has no memory for that, or lets this user watch no more; errno says
// so. Who goes on nevertheless never hears of the descriptor.
inline bool AddToEpollSet(int set, int fd, uint32_t events = EPOLLIN) {
  epoll_event event = {.events = events, .data = {.fd = fd}};
  return fd < 0 || ::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_EPOLL_SET_H_
