// What a poller has in its epoll set, and what it is told from there.

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "nigh/deadline.h"
#include "nigh/runtime/loop/pollable.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/transport/connection.h"

namespace nigh {
namespace {

// When a source that cannot be watched is looked at again.
constexpr absl::Duration kLookAgainAfter = absl::Milliseconds(1);
// Set in the token of a descriptor that tells only of room. EPOLLOUT is no help there: a medium may
// tell of room by making an eventfd readable.
constexpr uint64_t kRoomBit = uint64_t{1} << 63;

// epoll_wait(2), with a timeout in nanoseconds; none: for ever.
int WaitForEvents(int epoll, absl::Span<epoll_event> events, std::optional<int64_t> nanos) {
  constexpr int64_t kNanosAMilli = 1'000'000;
  const auto most = static_cast<int>(events.size());
  if (nanos.value_or(0) > 0) {
    const timespec timeout{.tv_sec = 0, .tv_nsec = std::min(*nanos, 1000 * kNanosAMilli - 1)};
    const int count = ::epoll_pwait2(epoll, events.data(), most, &timeout, nullptr);
    // Before Linux 5.11.
    if (count >= 0 || errno != ENOSYS) return count;
  }
  const auto millis = [&] { return (*nanos + kNanosAMilli - 1) / kNanosAMilli; };
  return ::epoll_wait(epoll, events.data(), most,
                      nanos.has_value() ? static_cast<int>(millis()) : -1);
}

}  // namespace

bool Poller::Control(int operation, int fd, Token token, uint32_t events) {
  epoll_event event{.events = events, .data = {.u64 = token}};
  return ::epoll_ctl(epoll_.get(), operation, fd, &event) == 0 ||
         (errno != ENOMEM && errno != ENOSPC);
}

bool Poller::Watch(Source& source, const Wake& wake) {
  source.edge_triggered = wake.edge_triggered;
  const uint32_t events =
      static_cast<uint32_t>(wake.events) | (wake.edge_triggered ? uint32_t{EPOLLET} : 0);
  // The end first: it has no part in what follows.
  const bool watches_end = wake.end_fd >= 0 && source.end_fd != wake.end_fd;
  if (watches_end &&
      !Control(EPOLL_CTL_ADD, wake.end_fd, source.token, static_cast<uint32_t>(wake.end_events))) {
    return false;
  }
  // An epoll set has a descriptor once, and this one may be in it already, for sending.
  const bool sends = source.send_fd == wake.fd;
  if (!Control(sends ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, wake.fd, source.token,
               sends ? events | EPOLLOUT : events)) {
    if (watches_end) Control(EPOLL_CTL_DEL, wake.end_fd, source.token, 0);
    return false;
  }
  source.receive_fd = wake.fd;
  source.end_fd = wake.end_fd;
  return true;
}

void Poller::LookAgain(Source& source) {
  if (std::exchange(source.looks_again, true)) return;
  AddTimer(Deadline::After(kLookAgainAfter), this, [this, key = source.pollable.get()] {
    // It may have ended meanwhile. The pointer is only compared, never followed.
    const auto token = tokens_.find(key);
    if (token == tokens_.end()) return;
    Source& source = *sources_[token->second];
    source.looks_again = false;
    MakeHot(source);
    if (source.send_fd < 0) WatchSend(source);
  });
}

void Poller::WatchSend(Source& source) {
  const std::optional<Wake> wake = source.pollable->ArmSend();
  // Nothing waits any more: another thread's send took it along. Whoever waits for room must hear
  // of that.
  if (!wake.has_value() || wake->ready()) return ResumeSend(source);
  WatchSend(source, *wake);
}

void Poller::WatchSend(Source& source, const Wake& wake) {
  source.send_fd = wake.fd;
  source.send_edge_triggered = wake.edge_triggered;
  const auto events = static_cast<uint32_t>(wake.events);
  if (wake.fd != source.receive_fd) {
    if (Control(EPOLL_CTL_ADD, wake.fd, source.token | kRoomBit,
                events | (wake.edge_triggered ? uint32_t{EPOLLET} : 0))) {
      return;
    }
    source.send_fd = -1;
    LookAgain(source);
  } else {
    Control(EPOLL_CTL_MOD, wake.fd, source.token,
            events | EPOLLIN | (source.edge_triggered ? uint32_t{EPOLLET} : 0));
  }
}

void Poller::ResumeSend(Source& source) {
  const int fd = std::exchange(source.send_fd, -1);
  if (fd >= 0 && fd == source.receive_fd) {
    Control(EPOLL_CTL_MOD, fd, source.token,
            EPOLLIN | (source.edge_triggered ? uint32_t{EPOLLET} : 0));
  } else if (fd >= 0) {
    Control(EPOLL_CTL_DEL, fd, source.token, 0);
    // The eventfd keeps its signal until it is read. Unread, it would be ready again as soon as it
    // is added again.
    eventfd_t ignored;
    if (source.send_edge_triggered) (void)::eventfd_read(fd, &ignored);
  }
  // It calls WatchRoom again if something still waits for room.
  if (source.pollable->ResumeSending()) MakeHot(source);
}

void Poller::StopReceiving(Source& source) {
  const int fd = std::exchange(source.receive_fd, -1);
  if (fd < 0) return;
  if (fd == source.send_fd) {
    Control(EPOLL_CTL_MOD, fd, source.token, EPOLLOUT);
  } else {
    Control(EPOLL_CTL_DEL, fd, source.token, 0);
  }
}

void Poller::StopWatchingEnd(Source& source) {
  const int fd = std::exchange(source.end_fd, -1);
  if (fd >= 0) Control(EPOLL_CTL_DEL, fd, source.token, 0);
}

bool Poller::PollEvents(std::optional<int64_t> nanos) {
  last_events_ = SteadyNanos();
  std::array<epoll_event, 64> events;
  const int count = WaitForEvents(epoll_.get(), absl::MakeSpan(events), nanos);
  for (int i = 0; i < count; ++i) {
    const Token token = events[i].data.u64 & ~kRoomBit;
    const bool room_only = token != events[i].data.u64;
    if (token == kTasksToken) {
      tasks_.TakeWake();
      continue;
    }
    const auto entry = sources_.find(token);
    if (entry == sources_.end()) continue;
    Source& source = *entry->second;
    if (room_only || (events[i].events & EPOLLOUT) != 0) ResumeSend(source);
    if (!room_only && (events[i].events & ~uint32_t{EPOLLOUT}) != 0) MakeHot(source);
  }
  return count > 0;
}

}  // namespace nigh
