// A client session in the hands of a poller: calls that nobody waits for in a thread.

#include <array>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/deadline.h"
#include "nigh/event_loop.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/runtime/client/client_call.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/transport/connection.h"

namespace nigh {
namespace {

// Frames of one connection before the others get their turn.
constexpr int kFramesPerTurn = 64;

}  // namespace

absl::AnyInvocable<void()> ClientSession::When(ClientCall& call, Event event,
                                               absl::AnyInvocable<void()> callback) {
  MutexLock lock(mutex_);
  absl::AnyInvocable<void()> replaced =
      std::exchange(call.waiters_->callbacks[static_cast<int>(event)], std::move(callback));
  if (event == Event::kRoom && replaced == nullptr) ++writers_waiting_;
  Changed(call);
  return replaced;
}

void ClientSession::DropWaiters(ClientCall& call) {
  std::array<absl::AnyInvocable<void()>, kCallEvents> dropped;  // go after the lock
  MutexLock lock(mutex_);
  dropped = std::exchange(call.waiters_->callbacks, {});
  if (dropped[static_cast<int>(Event::kRoom)] != nullptr) --writers_waiting_;
}

bool ClientSession::Ready(const ClientCall& call, Event event) const {
  MutexLock lock(mutex_);
  return IsReady(call, event);
}

std::optional<bool> ClientSession::TryWrite(ClientCall& call, const MessageSource& message,
                                            bool end) {
  MutexLock lock(mutex_);
  if (!IsReady(call, Event::kRoom)) return std::nullopt;
  return WriteNow(call, message, end).ok();
}

void ClientSession::Discard(ClientCall& call) {
  MutexLock lock(mutex_);
  DiscardNow(call);
}

void ClientSession::Changed(ClientCall& call) {
  call.changed_.SignalAll();
  if (call.waiters_ == nullptr) return;
  for (int event = 0; event < kCallEvents; ++event) {
    absl::AnyInvocable<void()>& callback = call.waiters_->callbacks[event];
    if (callback == nullptr || !IsReady(call, static_cast<Event>(event))) continue;
    if (static_cast<Event>(event) == Event::kRoom) --writers_waiting_;
    call.waiters_->poller->Post(call.waiters_, std::exchange(callback, nullptr));
  }
}

void ClientSession::WakeAsyncWriters() {
  for (ClientCall* call : calls_) {
    if (call != nullptr && call != kAbandoned && call->waiters_ != nullptr) Changed(*call);
  }
}

void ClientSession::Opened(const ClientCall& call) {
  if (call.waiters_ == nullptr) return;
  poller_ = call.waiters_->poller;
  if (++open_async_ == 1) call.waiters_->poller->Add(shared_from_this());
}

void ClientSession::NoLongerOpen(const ClientCall& call) {
  if (call.waiters_ != nullptr) --open_async_;
}

void ClientSession::HandOver() {
  if (pumping_ || !dead_.ok()) return;
  // Somebody who follows takes along what waits for room.
  if (open_async_ == 0 && (!unsent_ || let_go_ || !followers_.empty())) return;
  std::shared_ptr<Poller> poller = poller_.lock();
  if (!own_loop_) {
    if (poller == nullptr) {
      try {
        poller = SharedPoller();
      } catch (const std::system_error&) {
        // No thread to be had: what waits leaves with the next call.
        return;
      }
      poller_ = poller;
    }
    if (!let_go_) pump_ = poller;
  }
  if (poller != nullptr) poller->Add(shared_from_this());
}

void ClientSession::LetGo() {
  // Goes after the lock, and takes its thread along if nobody else needs that.
  std::shared_ptr<Poller> pump;
  MutexLock lock(mutex_);
  let_go_ = true;
  pump = std::move(pump_);
  if (pump != nullptr) pump->Add(shared_from_this());
}

Pollable::Turn ClientSession::TakeTurn(InlineMark& /*mark*/) {
  if (std::optional<Turn> turn = TakeGreetingTurn()) return *turn;
  {
    MutexLock lock(mutex_);
    // A caller who leads hands over when he leaves.
    if (pumping_ || !dead_.ok()) return Turn::kEnded;
    pumping_ = true;
  }
  int frames = 0;
  while (frames < kFramesPerTurn && Pump(nullptr)) ++frames;
  MutexLock lock(mutex_);
  last_looked_ = SteadyNanos();
  pumping_ = false;
  PromoteFollower();
  if (!dead_.ok() || (open_async_ == 0 && (!unsent_ || let_go_))) return Turn::kEnded;
  if (frames == 0) return Turn::kNothing;
  return frames < kFramesPerTurn ? Turn::kDrained : Turn::kBusy;
}

Wake ClientSession::ArmReceive() {
  MutexLock lock(mutex_);
  // The receiving half may be another thread's by now; the next turn sees to it.
  if (pumping_ || !dead_.ok()) return Wake::Ready();
  return connection_->Arm(Interest::kReceive);
}

void ClientSession::ResumeSending() {
  const absl::StatusOr<bool> sent = sender_.Resume();
  MutexLock lock(mutex_);
  // What the server had sent before it went away is still to be received; then comes the end.
  if (!sent.ok()) going_away_ = true;
  unsent_ = sent.ok() && !*sent;
  if (!unsent_) return WakeWriters();
  if (const std::shared_ptr<Poller> poller = poller_.lock()) poller->WatchRoom(*this);
}

}  // namespace nigh
