#include "nigh/testing/gate.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <array>
#include <cstdint>
#include <utility>

#include "nigh/deadline.h"

namespace nigh::testing {
namespace {

void Set(int alarm, const itimerspec& when) {
  (void)::timerfd_settime(alarm, TFD_TIMER_ABSTIME, &when, nullptr);
}

}  // namespace

Gate::Gate()
    : set_(UniqueFd(::epoll_create1(EPOLL_CLOEXEC)).KeptFromChildren()),
      alarm_(UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC))
                 .KeptFromChildren()) {
  epoll_event event = {.events = EPOLLIN, .data = {}};
  ::epoll_ctl(set_.get(), EPOLL_CTL_ADD, alarm_.get(), &event);
}

void Gate::Watch(int fd, short events, bool edge_triggered) {
  watched_ = fd;
  events_ = static_cast<uint16_t>(events) | (edge_triggered ? uint32_t{EPOLLET} : 0);
  Listen(EPOLL_CTL_ADD, held_ ? 0 : events_);
}

void Gate::Hold(Deadline until) {
  if (!std::exchange(held_, true) && watches()) Listen(EPOLL_CTL_MOD, 0);
  Set(alarm_.get(), {.it_interval = {}, .it_value = until.ToTimespec()});
}

void Gate::Open() {
  if (!std::exchange(held_, false)) return;
  Set(alarm_.get(), {});
  // Whatever it is ready for is told again.
  if (watches()) Listen(EPOLL_CTL_MOD, events_);
}

void Gate::Forget() {
  std::array<epoll_event, 2> events;
  (void)::epoll_wait(set_.get(), events.data(), events.size(), 0);
}

void Gate::Listen(int operation, uint32_t events) {
  epoll_event event = {.events = events, .data = {}};
  ::epoll_ctl(set_.get(), operation, watched_, &event);
}

}  // namespace nigh::testing
