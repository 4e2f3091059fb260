#include "nigh/runtime/client/connector.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/deadline.h"
#include "nigh/event_loop.h"
#include "nigh/method.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/standard_descriptors.h"
#include "nigh/runtime/client/backoff.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/transport/transport.h"

namespace nigh {
namespace {

// Of a medium's answer to an attempt. Only that this user may not connect is more than that nobody
// is there.
absl::Status NotConnected(const absl::Status& answer) {
  return absl::IsPermissionDenied(answer) ? answer : absl::UnavailableError(answer.message());
}

}  // namespace

Connector::~Connector() {
  // The poller may still be connecting. Nobody is left to use that session.
  if (attempt_ != nullptr) attempt_->Close();
  if (session_ != nullptr) session_->pump().LetGo();
  if (SessionSeat* const seat = seat_.load(std::memory_order_relaxed)) seat->Retire();
}

PeerIdentity Connector::peer() const {
  MutexLock lock(mutex_);
  return session_ == nullptr ? PeerIdentity() : *session_->link().peer();
}

ChannelState Connector::state() const {
  MutexLock lock(mutex_);
  return state_;
}

void Connector::OnStateChange(std::function<void(ChannelState)> callback) {
  MutexLock lock(mutex_);
  callbacks_.push_back(std::move(callback));
}

void Connector::SetState(ChannelState state) {
  if (state_ == state) return;
  state_ = state;
  if (!callbacks_.empty()) unannounced_.push_back(state);
}

void Connector::Announce() {
  const std::shared_ptr<Connector> self =
      shared_from_this();  // a callback may drop the last other reference
  MutexLock lock(mutex_);
  // One thread announces at a time, so that callbacks hear of changes in order. It takes along what
  // others add meanwhile.
  if (std::exchange(announcing_, true)) return;
  while (!unannounced_.empty()) {
    const ChannelState state = unannounced_.front();
    unannounced_.pop_front();
    // A copy: OnStateChange may add to the list while the mutex is released.
    const std::vector<std::function<void(ChannelState)>> callbacks = callbacks_;
    MutexUnlock unlock(mutex_);
    for (const auto& callback : callbacks) callback(state);
  }
  announcing_ = false;
}

absl::Status Connector::WaitForReady(absl::Duration timeout) {
  ClientContext own({.timeout = timeout, .wait_for_ready = true});
  UsedContext context(own);
  static constexpr Method kNone{"connect", MethodKind::kUnary};
  if (absl::Status here = CheckProcess(kNone); !here.ok()) return here;
  return Connect({this, &kNone, 0}, context, absl::ZeroDuration()).status();
}

absl::StatusOr<std::shared_ptr<ClientSession>> Connector::Session(const BoundMethod& method,
                                                                  UsedContext& context,
                                                                  absl::Duration patience) {
  {
    MutexLock lock(mutex_);
    if (session_ != nullptr) return session_;
  }
  return Connect(method, context, patience);
}

absl::StatusOr<SessionLease> Connector::Lease(const BoundMethod& method, UsedContext& context,
                                              absl::Duration patience) {
  if (absl::Status status = Check(method); !status.ok()) return status;
  for (;;) {
    SessionLease lease(seat_);
    if (lease) return lease;
    const absl::Status connected = Connect(method, context, patience).status();
    if (!connected.ok()) return connected;
  }
}

void Connector::RenewForFds() {
  std::optional<Former> former;  // its calls go on; destroyed after the lock
  {
    MutexLock lock(mutex_);
    if (session_ == nullptr || !LacksFds(*session_)) return;
    former = TakeSession();
    pause_ = absl::ZeroDuration();
    SetState(ChannelState::kIdle);
  }
  LetGo(*former);
}

void Connector::Retire(const ClientSession& session) {
  std::optional<Former> former;  // destroyed after the lock
  {
    MutexLock lock(mutex_);
    if (session_.get() != &session) return;
    former = TakeSession();
    if (session.link().proven()) {
      pause_ = absl::ZeroDuration();
      SetState(ChannelState::kIdle);
    } else {
      // The server said hello and took no call. Without a pause, callers would connect in a loop.
      last_error_ = session.link().EndStatus();
      next_attempt_ = Deadline::After(NextPause());
      SetState(ChannelState::kTransientFailure);
    }
  }
  LetGo(*former);
}

Connector::Former Connector::TakeSession() {
  return {.session = std::exchange(session_, nullptr),
          .seat = seat_.exchange(nullptr, std::memory_order_acq_rel)};
}

void Connector::LetGo(const Former& former) {
  former.session->pump().LetGo();
  former.seat->Retire();
  Announce();
}

absl::StatusOr<std::shared_ptr<ClientSession>> Connector::Connect(const BoundMethod& method,
                                                                  UsedContext& context,
                                                                  absl::Duration patience) {
  // A state callback may drop the last other reference.
  const std::shared_ptr<Connector> self = shared_from_this();
  // Cancelling wakes this thread, whether it waits for another's attempt or makes its own.
  const Cancellation::Id hook = context.cancellation().Add([this] {
    MutexLock lock(mutex_);
    changed_.SignalAll();
    if (attempt_ != nullptr) attempt_->pump().Interrupt();
  });
  const Deadline waits =
      context.wait_for_ready() ? Deadline::Infinite() : Deadline::After(patience);
  absl::StatusOr<std::shared_ptr<ClientSession>> session = ConnectOrWait(method, context, waits);
  context.cancellation().Remove(hook);
  Announce();
  return session;
}

absl::StatusOr<std::shared_ptr<ClientSession>> Connector::ConnectOrWait(const BoundMethod& method,
                                                                        UsedContext& context,
                                                                        Deadline patience) {
  const Deadline deadline = context.deadline();
  const auto describe = [&](absl::string_view what, const absl::Status& why) {
    return absl::StrCat(name_, ": ", method.method->name, ": ", what,
                        why.ok() ? "" : " while connecting; the last attempt: ", why.message());
  };
  MutexLock lock(mutex_);
  for (;;) {
    if (session_ != nullptr) return session_;
    if (context.cancellation().requested()) {
      return absl::CancelledError(describe("cancelled", last_error_));
    }
    if (deadline.HasPassed()) {
      return absl::DeadlineExceededError(describe("deadline exceeded", last_error_));
    }
    if (connecting_ && on_poller_) {
      // This may be the poller's own thread, in a callback. It would wait for itself, so it takes
      // the attempt over: the poller's ends with a number that is not attempts_ any more.
      ++attempts_;
      connecting_ = on_poller_ = false;
      if (attempt_ != nullptr) attempt_->Close();
      attempt_ = nullptr;
    } else if (connecting_) {
      changed_.WaitUntil(mutex_, deadline);
    } else if (!next_attempt_.HasPassed()) {
      if (patience.HasPassed()) return last_error_;
      changed_.WaitUntil(mutex_, std::min({deadline, next_attempt_, patience}));
    } else {
      connecting_ = true;
      SetState(ChannelState::kConnecting);
      absl::StatusOr<std::shared_ptr<ClientSession>> session;
      {
        MutexUnlock unlock(mutex_);
        Announce();
        session = Attempt(context);
      }
      attempt_ = nullptr;
      if (session.ok()) {
        if (!Connected(*session)) {
          MutexUnlock unlock(mutex_);
          session->reset();
        }
      } else if (context.cancellation().requested() || deadline.HasPassed()) {
        // This caller has cut the attempt short, which says nothing about the server. Others may
        // try at once.
        connecting_ = false;
        changed_.SignalAll();
        SetState(ChannelState::kIdle);
        ServeWaiters();
      } else {
        FailedToConnect(session.status());
        if (patience.HasPassed()) return last_error_;
      }
    }
  }
}

bool Connector::LacksFds(ClientSession& session) const {
  ClientLink& link = session.link();
  return methods_.take_fds() && !link.extras().accepts_descriptors() &&
         options_.limits.max_descriptors != 0 && link.connection().descriptors() != nullptr;
}

bool Connector::Connected(const std::shared_ptr<ClientSession>& session) {
  const bool lacks_fds = LacksFds(*session);
  if (!lacks_fds) {
    session_ = session;
    seat_.store(SessionSeat::Take(session_), std::memory_order_release);
  }
  last_error_ = absl::OkStatus();
  connecting_ = false;
  changed_.SignalAll();
  SetState(lacks_fds ? ChannelState::kIdle : ChannelState::kReady);
  ServeWaiters();
  return !lacks_fds;
}

void Connector::FailedToConnect(absl::Status status) {
  last_error_ = std::move(status);
  next_attempt_ = Deadline::After(NextPause());
  connecting_ = false;
  changed_.SignalAll();
  SetState(ChannelState::kTransientFailure);
  ServeWaiters();
}

std::shared_ptr<ClientSession> Connector::NewSession(std::unique_ptr<Connection> connection) {
  // The session may outlive the channel; then its end concerns nobody. A strong reference would be
  // a cycle.
  // Where one connects once, a stub that takes descriptors may still come.
  const bool takes_fds = methods_.take_fds() || transport_->reach == Reach::kInvited;
  auto session =
      std::make_shared<ClientSession>(std::move(connection), name_, options_, expected_, takes_fds);
  session->BelongsTo(weak_from_this());
  session->OnEnd([connector = weak_from_this(), ended = session.get()] {
    if (const std::shared_ptr<Connector> alive = connector.lock()) alive->Retire(*ended);
  });
  return session;
}

absl::StatusOr<std::shared_ptr<ClientSession>> Connector::Attempt(UsedContext& context) {
  FillStandardDescriptors();
  absl::StatusOr<std::unique_ptr<Connection>> connection = transport_->dial(address_);
  if (!connection.ok()) return NotConnected(connection.status());
  const std::shared_ptr<ClientSession> session = NewSession(*std::move(connection));
  if (absl::Status status = session->Open(); !status.ok()) return status;
  {
    // Before the handshake: a cancellation can interrupt it from here on.
    MutexLock lock(mutex_);
    attempt_ = session;
  }
  const Deadline limit = Deadline::After(options_.connect_timeout);
  absl::Status status = session->Greet(std::min(limit, context.deadline()),
                                       [&context] { return context.cancellation().requested(); });
  if (!status.ok()) return status;
  return session;
}

absl::Duration Connector::NextPause() {
  pause_ = std::clamp(pause_ * kBackoffGrowth, options_.min_backoff, options_.max_backoff);
  return Jittered(pause_);
}

std::shared_ptr<Poller> Connector::poller() {
  MutexLock lock(mutex_);
  if (poller_ == nullptr) {
    poller_ = options_.event_loop != nullptr ? options_.event_loop->poller() : SharedPoller();
  }
  return poller_;
}

std::shared_ptr<ClientSession> Connector::SessionIfReady() const {
  MutexLock lock(mutex_);
  return session_;
}

void Connector::WhenReady(const void* owner, Deadline patience, SessionCallback callback) {
  (void)poller();
  MutexLock lock(mutex_);
  waiters_.push_back({owner, patience, std::move(callback)});
  ServeWaiters();
}

void Connector::StopWaiting(const void* owner) {
  std::vector<Waiter> stopped;  // destroyed after the lock
  MutexLock lock(mutex_);
  const auto first =
      std::stable_partition(waiters_.begin(), waiters_.end(),
                            [&](const Waiter& waiter) { return waiter.owner != owner; });
  stopped.assign(std::move_iterator(first), std::move_iterator(waiters_.end()));
  waiters_.erase(first, waiters_.end());
}

void Connector::Answer(Waiter waiter, absl::StatusOr<std::shared_ptr<ClientSession>> session) {
  // A task, never a call: the mutex is held, and callbacks run only in the poller's role.
  poller_->Post(waiter.owner,
                [callback = std::move(waiter.callback), session = std::move(session)]() mutable {
                  callback(std::move(session));
                });
}

void Connector::ServeWaiters() {
  if (waiters_.empty() || (session_ == nullptr && connecting_)) return;
  if (session_ != nullptr) {
    for (Waiter& waiter : std::exchange(waiters_, {})) Answer(std::move(waiter), session_);
    return;
  }
  if (next_attempt_.HasPassed()) {
    connecting_ = on_poller_ = true;
    SetState(ChannelState::kConnecting);
    poller_->Post(nullptr, [weak = weak_from_this(), attempt = ++attempts_] {
      if (const std::shared_ptr<Connector> self = weak.lock()) self->AttemptOnPoller(attempt);
    });
    return;
  }
  // The last attempt failed, and the next one is not due yet.
  std::vector<Waiter> patient;
  Deadline next = next_attempt_;
  for (Waiter& waiter : std::exchange(waiters_, {})) {
    if (waiter.patience.HasPassed()) {
      Answer(std::move(waiter), last_error_);
      continue;
    }
    next = std::min(next, waiter.patience);
    patient.push_back(std::move(waiter));
  }
  waiters_ = std::move(patient);
  if (waiters_.empty() || next_look_ <= next) return;
  next_look_ = next;
  poller_->AddTimer(next, nullptr, [weak = weak_from_this(), next] {
    const std::shared_ptr<Connector> self = weak.lock();
    if (self == nullptr) return;
    MutexLock lock(self->mutex_);
    // Otherwise one for an earlier look has been set since.
    if (self->next_look_ == next) self->next_look_ = Deadline::Infinite();
    self->ServeWaiters();
  });
}

void Connector::AttemptOnPoller(uint64_t attempt) {
  Announce();
  FillStandardDescriptors();
  absl::StatusOr<std::unique_ptr<Connection>> connection = transport_->dial(address_);
  if (!connection.ok()) {
    return EndAttemptOnPoller(attempt, nullptr, NotConnected(connection.status()));
  }
  const std::shared_ptr<ClientSession> session = NewSession(*std::move(connection));
  if (absl::Status status = session->Open(); !status.ok()) {
    return EndAttemptOnPoller(attempt, nullptr, status);
  }
  std::shared_ptr<Poller> poller;
  {
    MutexLock lock(mutex_);
    if (attempt != attempts_) return;
    attempt_ = session;
    poller = poller_;
  }
  session->GreetOn(
      poller, Deadline::After(options_.connect_timeout),
      [weak = weak_from_this(), attempt, key = session.get()](const absl::Status& status) {
        const std::shared_ptr<Connector> self = weak.lock();
        if (self == nullptr) return;
        self->EndAttemptOnPoller(attempt, key->shared_from_this(), status);
      });
}

void Connector::EndAttemptOnPoller(uint64_t attempt, const std::shared_ptr<ClientSession>& session,
                                   const absl::Status& status) {
  {
    MutexLock lock(mutex_);
    // A caller that waits in its thread has taken the attempt over.
    if (attempt != attempts_) return;
    attempt_ = nullptr;
    on_poller_ = false;
    if (status.ok()) {
      Connected(session);
    } else {
      FailedToConnect(status);
    }
  }
  Announce();
}

}  // namespace nigh
