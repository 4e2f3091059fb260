// A channel that connects without anybody waiting for it in a thread.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/channel.h"
#include "nigh/deadline.h"
#include "nigh/event_loop.h"
#include "nigh/mutex.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/transport/transport.h"

namespace nigh {

Channel::~Channel() {
  // Nobody is left to use what the poller may still be connecting.
  if (attempt_ != nullptr) attempt_->Close();
  if (session_ != nullptr) session_->LetGo();
}

std::shared_ptr<Poller> Channel::poller() {
  MutexLock lock(mutex_);
  if (poller_ == nullptr) {
    poller_ = options_.event_loop != nullptr ? options_.event_loop->poller() : SharedPoller();
  }
  return poller_;
}

std::shared_ptr<ClientSession> Channel::SessionIfReady() const {
  MutexLock lock(mutex_);
  return session_;
}

uint64_t Channel::WhenReady(const void* owner, bool wait_for_ready, SessionCallback callback) {
  (void)poller();
  MutexLock lock(mutex_);
  const uint64_t id = next_waiter_++;
  waiters_.push_back({id, owner, wait_for_ready, std::move(callback)});
  ServeWaiters();
  return id;
}

void Channel::StopWaiting(uint64_t id) {
  Waiter stopped;  // goes after the lock
  MutexLock lock(mutex_);
  const auto waiter = absl::c_find_if(waiters_, [&](const Waiter& w) { return w.id == id; });
  if (waiter == waiters_.end()) return;
  stopped = std::move(*waiter);
  waiters_.erase(waiter);
}

void Channel::Answer(Waiter waiter, absl::StatusOr<std::shared_ptr<ClientSession>> session) {
  poller_->Post(waiter.owner,
                [callback = std::move(waiter.callback), session = std::move(session)]() mutable {
                  callback(std::move(session));
                });
}

void Channel::ServeWaiters() {
  if (waiters_.empty() || (session_ == nullptr && connecting_)) return;
  if (session_ != nullptr) {
    for (Waiter& waiter : std::exchange(waiters_, {})) Answer(std::move(waiter), session_);
    return;
  }
  if (next_attempt_.HasPassed()) {
    connecting_ = on_poller_ = true;
    SetState(ChannelState::kConnecting);
    poller_->Post(nullptr, [weak = weak_from_this(), attempt = ++attempts_] {
      if (const std::shared_ptr<Channel> self = weak.lock()) self->AttemptOnPoller(attempt);
    });
    return;
  }
  // The last attempt failed, and the next one is not due yet.
  std::vector<Waiter> patient;
  for (Waiter& waiter : std::exchange(waiters_, {})) {
    if (waiter.wait_for_ready) {
      patient.push_back(std::move(waiter));
    } else {
      Answer(std::move(waiter), last_error_);
    }
  }
  waiters_ = std::move(patient);
  if (waiters_.empty() || std::exchange(timer_set_, true)) return;
  poller_->AddTimer(next_attempt_, nullptr, [weak = weak_from_this()] {
    const std::shared_ptr<Channel> self = weak.lock();
    if (self == nullptr) return;
    MutexLock lock(self->mutex_);
    self->timer_set_ = false;
    self->ServeWaiters();
  });
}

void Channel::AttemptOnPoller(uint64_t attempt) {
  Announce();
  absl::StatusOr<std::unique_ptr<Connection>> connection = transport_->dial(address_);
  if (!connection.ok()) {
    return EndAttemptOnPoller(attempt, nullptr,
                              absl::UnavailableError(connection.status().message()));
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
  session->HandshakeOn(
      poller, Deadline::After(options_.connect_timeout),
      [weak = weak_from_this(), attempt, key = session.get()](const absl::Status& status) {
        const std::shared_ptr<Channel> self = weak.lock();
        if (self == nullptr) return;
        self->EndAttemptOnPoller(attempt, key->shared_from_this(), status);
      });
}

void Channel::EndAttemptOnPoller(uint64_t attempt, const std::shared_ptr<ClientSession>& session,
                                 const absl::Status& status) {
  {
    MutexLock lock(mutex_);
    // A caller who could not wait for this has taken the attempt over.
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
