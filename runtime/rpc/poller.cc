#include "nigh/poller.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/statusor.h"
#include "nigh/base/deadline.h"
#include "nigh/base/errno_status.h"
#include "nigh/base/mutex.h"
#include "nigh/base/waiter.h"
#include "nigh/server_session.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh {
namespace {

// Even while hot connections have work, the others are looked at once in so many passes, and within
// so many nanoseconds and a handler.
constexpr uint32_t kEventsEvery = 16;
constexpr int64_t kEventsWithin = 200'000;
// A connection that had nothing in so many passes is no longer hot.
constexpr int kCoolAfter = 64;
// New connections taken in before the open ones get their turn.
constexpr int kAcceptsPerTurn = 16;
constexpr uint64_t kWakeToken = 0;
// Marks, in an event, the token of a descriptor that is there for sending alone.
constexpr uint64_t kSendOnly = uint64_t{1} << 63;

}  // namespace

Poller::Poller(const WaitPolicy& policy)
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      waiter_(policy) {
  Control(EPOLL_CTL_ADD, wake_.get(), kWakeToken, EPOLLIN);
}

absl::Status Poller::Open() const {
  if (epoll_ && wake_) return absl::OkStatus();
  return ErrnoStatus(absl::StatusCode::kResourceExhausted, EMFILE, "start",
                     "epoll_create, eventfd");
}

void Poller::Control(int operation, int fd, Token token, uint32_t events) {
  epoll_event event{.events = events, .data = {.u64 = token}};
  (void)::epoll_ctl(epoll_.get(), operation, fd, &event);
}

void Poller::AddListener(std::unique_ptr<Listener> listener, ArrivalCallback arrived) {
  auto source = std::make_unique<Source>();
  source->listener = std::move(listener);
  source->arrived = std::move(arrived);
  MutexLock lock(mutex_);
  arrivals_.push_back(std::move(source));
  (void)::eventfd_write(wake_.get(), 1);
}

void Poller::AddSession(std::shared_ptr<ServerSession> session) {
  load_.fetch_add(1, std::memory_order_relaxed);
  auto source = std::make_unique<Source>();
  source->session = std::move(session);
  MutexLock lock(mutex_);
  arrivals_.push_back(std::move(source));
  (void)::eventfd_write(wake_.get(), 1);
}

void Poller::WatchRoom(ServerSession& session) {
  MutexLock lock(mutex_);
  want_room_.push_back(&session);
  (void)::eventfd_write(wake_.get(), 1);
}

void Poller::CloseListeners() {
  MutexLock lock(mutex_);
  close_listeners_ = true;
  (void)::eventfd_write(wake_.get(), 1);
  while (close_listeners_ && driven_) listeners_closed_.Wait(mutex_);
}

void Poller::DropListeners() {
  MutexLock lock(mutex_);
  arrivals_.clear();
}

void Poller::Stop() {
  MutexLock lock(mutex_);
  stop_ = true;
  listeners_closed_.SignalAll();
  (void)::eventfd_write(wake_.get(), 1);
}

void Poller::TakeMail() {
  std::vector<std::unique_ptr<Source>> arrivals;
  std::vector<ServerSession*> want_room;
  bool close_listeners = false;
  {
    MutexLock lock(mutex_);
    arrivals.swap(arrivals_);
    want_room.swap(want_room_);
    close_listeners = close_listeners_;
    stopping_ = stop_;
  }
  for (std::unique_ptr<Source>& arrival : arrivals) Add(std::move(arrival));
  for (const ServerSession* session : want_room) {
    // One that has ended meanwhile is not known any more.
    const auto token = tokens_.find(session);
    if (token != tokens_.end()) WatchSend(token->second, *sources_[token->second]);
  }
  if (!close_listeners) return;
  absl::erase_if(sources_, [](const auto& entry) { return entry.second->listener != nullptr; });
  MutexLock lock(mutex_);
  close_listeners_ = false;
  listeners_closed_.SignalAll();
}

void Poller::Add(std::unique_ptr<Source> source) {
  const Token token = next_token_++;
  Source& added = *(sources_[token] = std::move(source));
  if (added.listener != nullptr) return AcceptFrom(token, added);
  tokens_[added.session.get()] = token;
  MakeHot(token, added);
  // What the session sent before it was known here may still wait for room.
  WatchSend(token, added);
}

void Poller::Remove(Token token) {
  const auto entry = sources_.find(token);
  const std::unique_ptr<Source> source = std::move(entry->second);
  sources_.erase(entry);
  for (const int fd : {source->receive_fd, source->send_fd}) {
    if (fd >= 0) Control(EPOLL_CTL_DEL, fd, token, 0);
  }
  if (source->session == nullptr) return;
  tokens_.erase(source->session.get());
  load_.fetch_sub(1, std::memory_order_relaxed);
  if (ended_) ended_(*source->session);
}

void Poller::MakeHot(Token token, Source& source) {
  if (std::exchange(source.hot, true)) return;
  source.idle_passes = 0;
  hot_.push_back(token);
}

void Poller::AcceptFrom(Token token, Source& source) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    absl::StatusOr<std::unique_ptr<Connection>> connection = source.listener->Accept();
    if (!connection.ok()) {
      source.arrived(connection.status());
      return Remove(token);
    }
    if (*connection != nullptr) {
      source.arrived(std::move(connection));
      continue;
    }
    const Wake wake = source.listener->Arm();
    if (wake.ready()) continue;
    if (source.receive_fd < 0) Watch(token, source, wake);
    return;
  }
  // More may be waiting. epoll says so again, if it knows the listener already.
  if (source.receive_fd < 0) AcceptFrom(token, source);
}

void Poller::Watch(Token token, Source& source, const Wake& wake) {
  source.receive_fd = wake.fd;
  source.edge_triggered = wake.edge_triggered;
  const uint32_t events =
      static_cast<uint32_t>(wake.events) | (wake.edge_triggered ? uint32_t{EPOLLET} : 0);
  if (source.send_fd == wake.fd) {
    // It is in the set already, for sending.
    Control(EPOLL_CTL_MOD, wake.fd, token, events | EPOLLOUT);
  } else {
    Control(EPOLL_CTL_ADD, wake.fd, token, events);
  }
}

void Poller::WatchSend(Token token, Source& source) {
  const std::optional<Wake> wake = source.session->ArmSend();
  // Nothing waits any more: another thread's send took it along, and those who wait must hear of
  // it.
  if (!wake.has_value() || wake->ready()) return ResumeSend(token, source);
  source.send_fd = wake->fd;
  const auto events = static_cast<uint32_t>(wake->events);
  if (wake->fd != source.receive_fd) {
    Control(EPOLL_CTL_ADD, wake->fd, token | kSendOnly,
            events | (wake->edge_triggered ? uint32_t{EPOLLET} : 0));
  } else {
    Control(EPOLL_CTL_MOD, wake->fd, token,
            events | EPOLLIN | (source.edge_triggered ? uint32_t{EPOLLET} : 0));
  }
}

void Poller::ResumeSend(Token token, Source& source) {
  const int fd = std::exchange(source.send_fd, -1);
  if (fd >= 0 && fd == source.receive_fd) {
    Control(EPOLL_CTL_MOD, fd, token, EPOLLIN | (source.edge_triggered ? uint32_t{EPOLLET} : 0));
  } else if (fd >= 0) {
    Control(EPOLL_CTL_DEL, fd, token, 0);
  }
  source.session->ResumeSending();  // asks for WatchRoom again if it has to
}

Waiter::PollCost Poller::PollCostOfHot() const {
  const bool cheap = absl::c_all_of(hot_, [&](Token token) {
    return sources_.at(token)->session->poll_cost() == Waiter::PollCost::kCheap;
  });
  return cheap ? Waiter::PollCost::kCheap : Waiter::PollCost::kSystemCall;
}

Poller::Pass Poller::PollHot() {
  Pass result = Pass::kNothing;
  for (size_t i = 0; i < hot_.size();) {
    const Token token = hot_[i];
    Source& source = *sources_[token];
    // A handler that overstays may find its session gone from here when it returns.
    const std::shared_ptr<ServerSession> session = source.session;
    switch (session->TakeTurn(mark_)) {
      case ServerSession::Turn::kRoleLost:
        return Pass::kRoleLost;
      case ServerSession::Turn::kBusy:
        source.idle_passes = 0;
        result = Pass::kBusy;
        ++i;
        break;
      case ServerSession::Turn::kNothing:
        if (++source.idle_passes > kCoolAfter && Cool(token, source)) {
          hot_[i] = hot_.back();
          hot_.pop_back();
        } else {
          ++i;
        }
        break;
      case ServerSession::Turn::kEnded:
        hot_[i] = hot_.back();
        hot_.pop_back();
        Remove(token);
        result = Pass::kBusy;
        break;
    }
  }
  return result;
}

bool Poller::Cool(Token token, Source& source) {
  const Wake wake = source.session->ArmReceive();
  if (wake.ready()) return false;
  if (source.receive_fd < 0) Watch(token, source, wake);
  source.hot = false;
  return true;
}

bool Poller::ArmHot() {
  hot_.erase(std::remove_if(hot_.begin(), hot_.end(),
                            [&](Token token) { return Cool(token, *sources_[token]); }),
             hot_.end());
  return hot_.empty();
}

void Poller::PollEvents(int timeout_millis) {
  last_events_ = SteadyNanos();
  std::array<epoll_event, 64> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), timeout_millis);
  for (int i = 0; i < count; ++i) {
    const Token token = events[i].data.u64 & ~kSendOnly;
    if (token == kWakeToken) {
      eventfd_t ignored;
      (void)::eventfd_read(wake_.get(), &ignored);
      TakeMail();
      continue;
    }
    const auto entry = sources_.find(token);
    if (entry == sources_.end()) continue;
    Source& source = *entry->second;
    if (source.listener != nullptr) {
      AcceptFrom(token, source);
      continue;
    }
    // A doorbell for room is readable when it rings, not writable.
    const bool send_only = (events[i].data.u64 & kSendOnly) != 0;
    if (send_only || (events[i].events & EPOLLOUT) != 0) ResumeSend(token, source);
    if (!send_only && (events[i].events & ~uint32_t{EPOLLOUT}) != 0) MakeHot(token, source);
  }
}

bool Poller::Drive() {
  {
    MutexLock lock(mutex_);
    driven_ = true;
  }
  TakeMail();
  while (!stopping_) {
    switch (PollHot()) {
      case Pass::kRoleLost:
        return false;
      case Pass::kBusy:
        waiter_.Found();
        if (++passes_ % kEventsEvery == 0 || SteadyNanos() - last_events_ > kEventsWithin) {
          PollEvents(0);
        }
        break;
      case Pass::kNothing:
        if (++passes_ % kEventsEvery == 0) PollEvents(0);
        if (!hot_.empty() && waiter_.PollAgain(PollCostOfHot())) break;
        // Stop may have been among the events just seen, and does not wake anybody twice.
        if (stopping_ || !ArmHot()) break;
        PollEvents(-1);
        waiter_.Slept();
        break;
    }
  }
  MutexLock lock(mutex_);
  driven_ = false;
  listeners_closed_.SignalAll();
  return true;
}

}  // namespace nigh
