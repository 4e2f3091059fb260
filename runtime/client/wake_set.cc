#include "nigh/runtime/client/wake_set.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>

#include "nigh/deadline.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

bool WakeSet::Open(bool bell) {
  interrupt_ = UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)).KeptFromChildren();
  if (!interrupt_) return false;
  // Here and not at the first sleep, so that a connection has its descriptors from the beginning.
  // Without a set it polls.
  if (bell) set_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC)).KeptFromChildren();
  if (set_ && !Add(interrupt_.get(), EPOLLIN | EPOLLET)) set_.reset();
  return true;
}

bool WakeSet::Add(int fd, uint32_t events) {
  epoll_event event{.events = events, .data = {}};
  return fd < 0 || ::epoll_ctl(set_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void WakeSet::Interrupt() { (void)::eventfd_write(interrupt_.get(), 1); }

void WakeSet::Sleep(const Wake& frames, const std::optional<Wake>& room, Deadline deadline) {
  if (set_ && frames.edge_triggered && !room.has_value() && SleepInSet(frames, deadline)) return;
  Poll(frames, room, deadline);
}

bool WakeSet::SleepInSet(const Wake& frames, Deadline deadline) {
  if (!has_bell_) {
    has_bell_ = Add(frames.fd, static_cast<uint32_t>(frames.events) | EPOLLET) &&
                Add(frames.end_fd, static_cast<uint32_t>(frames.end_events));
  }
  timespec timeout{};
  if (!deadline.is_infinite()) timeout = deadline.RemainingTimespec();
  epoll_event ignored;
  if (has_bell_ && (::epoll_pwait2(set_.get(), &ignored, 1,
                                   deadline.is_infinite() ? nullptr : &timeout, nullptr) >= 0 ||
                    errno == EINTR)) {
    return true;
  }
  // The user may watch no more descriptors, or this is a kernel before Linux 5.11.
  set_.reset();
  return false;
}

void WakeSet::Poll(const Wake& frames, const std::optional<Wake>& room, Deadline deadline) {
  std::array<pollfd, 4> fds;
  size_t count = 0;
  const auto watch = [&](int fd, short events) {
    fds[count++] = {.fd = fd, .events = events, .revents = 0};
  };
  watch(interrupt_.get(), POLLIN);
  watch(frames.fd, frames.events);
  // That of most media is -1, which ppoll(2) ignores.
  watch(frames.end_fd, frames.end_events);
  if (room.has_value()) watch(room->fd, room->events);
  timespec timeout{};
  if (!deadline.is_infinite()) timeout = deadline.RemainingTimespec();
  ::ppoll(fds.data(), count, deadline.is_infinite() ? nullptr : &timeout, nullptr);
  // ppoll(2) is level-triggered: a signal that stays unread would end the next sleep at once.
  const auto take = [](const pollfd& signal) {
    eventfd_t ignored;
    if (signal.revents != 0) (void)::eventfd_read(signal.fd, &ignored);
  };
  take(fds[0]);
  if (frames.edge_triggered) take(fds[1]);
  if (room.has_value() && room->edge_triggered) take(fds[3]);
}

}  // namespace nigh
