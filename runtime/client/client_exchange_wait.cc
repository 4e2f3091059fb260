// Who waits for what of a call: threads, and callbacks.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/parking.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/client/client_exchange.h"
#include "nigh/runtime/client/client_link.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/client/pump.h"
#include "nigh/runtime/loop/poller.h"

namespace nigh {
namespace {

bool IsForRoom(CallEvent event) { return event == CallEvent::kRoom || event == CallEvent::kLeft; }

}  // namespace

// What a thread waits for, on the session that the call is on; see Pump::Await.
class ClientExchange::Wait {
 public:
  // `changes`: the call's, when `event` was not ready.
  Wait(ClientExchange& call, ClientSession& session, Event event, Role role, uint32_t changes)
      : call_(call), session_(session), event_(event), role_(role), seen_(changes) {}
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

  bool waits() { return !over() && !deadline().HasPassed(); }
  bool over() {
    if (over_) return true;
    // Nearly always nothing has changed since the last look, which needs no lock to be seen.
    if (call_.changes_.load(std::memory_order_seq_cst) == seen_ && !MayHaveRoom()) return false;
    MutexLock lock(call_.mutex_);
    seen_ = call_.changes_.load(std::memory_order_relaxed);
    over_ = call_.waiting_ || call_.session_.get() != &session_ || call_.IsReady(event_);
    return over_;
  }
  Deadline deadline() const { return call_.context_.deadline(); }
  ParkingSpot& spot() { return spot_; }
  bool is_patient() const { return call_.method_.kind != MethodKind::kUnary; }
  const void* own() const { return role_ == Role::kReader ? &call_ : nullptr; }
  void BeginToLead() {}
  void BeginToSleep() {}

  Wait* next = nullptr;  // in the call's list

 private:
  bool MayHaveRoom() const {
    return event_ == Event::kLeft ||
           (event_ == Event::kRoom && !session_.link().sender().congested());
  }

  ClientExchange& call_;
  ClientSession& session_;
  const Event event_;
  const Role role_;
  uint32_t seen_;
  bool over_ = false;
  ParkingSpot spot_;
};

bool ClientExchange::IsReady(Event event) const {
  if (waiting_) return false;
  if (state_.closed()) return true;
  switch (event) {
    case Event::kMessage:
      return target_filled_ || !inbox_.empty();
    case Event::kInitialMetadata:
      return reader_.got_initial_metadata();
    case Event::kRoom:
      return window_.may_send() && link().sender().HasRoom(slot_->id);
    case Event::kLeft:
      return link().sender().HasLeft(slot_->id);
    case Event::kEnd:
      return false;
  }
  return true;
}

void ClientExchange::Await(Event event, Role role) {
  while (!IsReady(event)) {
    if (waiting_) {
      AwaitSessionNow();
      continue;
    }
    std::shared_ptr<ClientSession> session = session_;
    Wait wait(*this, *session, event, role, changes_.load(std::memory_order_relaxed));
    wait.next = std::exchange(waits_, &wait);
    Pump& pump = session->pump();
    if (IsForRoom(event)) pump.BeginToWaitForRoom();
    {
      MutexUnlock unlock(mutex_);
      pump.Await(wait);
      pump.NoteLook();
    }
    if (IsForRoom(event)) pump.EndToWaitForRoom();
    Wait** entry = &waits_;
    while (*entry != &wait) entry = &(*entry)->next;
    *entry = wait.next;
    if (session != session_) {
      MutexUnlock unlock(mutex_);
      session = nullptr;
    } else if (!IsReady(event) && context_.deadline().HasPassed()) {
      Abandon(DeadlineExceeded(Name()));
    }
  }
}

void ClientExchange::AwaitSender(Event event) {
  // Room or not, a deadline that has passed ends the call; Await(kEnd) sees to that.
  Await(context_.deadline().HasPassed() ? Event::kEnd : event, Role::kOther);
}

void ClientExchange::Changed() {
  // Sequentially consistent, as a waiting thread's look at it; see ParkingSpot.
  changes_.store(changes_.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
  for (Wait* wait = waits_; wait != nullptr; wait = wait->next) wait->spot().Unpark();
  if (waiters_ != nullptr) PostReadyCallbacks();
}

void ClientExchange::PostReadyCallbacks() {
  bool for_room = false;
  for (int event = 0; event < kCallEvents; ++event) {
    absl::AnyInvocable<void()>& callback = waiters_->callbacks[event];
    if (callback == nullptr) continue;
    if (IsReady(static_cast<Event>(event))) {
      waiters_->poller->Post(waiters_, std::exchange(callback, nullptr));
    } else {
      for_room = for_room || IsForRoom(static_cast<Event>(event));
    }
  }
  // Credit is the call's own affair; room is everybody's.
  if (!for_room || waiting_ || awaits_room_ || !window_.may_send()) return;
  awaits_room_ = posted_ = true;
  session_->pump().WhenRoom(waiters_->poller, waiters_, [this] {
    MutexLock lock(mutex_);
    awaits_room_ = false;
    Changed();
  });
}

void ClientExchange::AwaitSession() {
  MutexLock lock(mutex_);
  while (waiting_) AwaitSessionNow();
}

void ClientExchange::AwaitSessionNow() {
  if (opening_) return opened_.Wait(mutex_);
  opening_ = true;
  {
    MutexUnlock unlock(mutex_);
    opener_();
  }
  opening_ = false;
  opened_.SignalAll();
}

absl::AnyInvocable<void()> ClientExchange::When(Event event, absl::AnyInvocable<void()> callback) {
  // As in Read, which comes once there is a message.
  if (event == Event::kMessage) CallExtras::DropReceived(context_.context());
  MutexLock lock(mutex_);
  if (dropped_) return callback;
  absl::AnyInvocable<void()> replaced =
      std::exchange(waiters_->callbacks[static_cast<int>(event)], std::move(callback));
  Changed();
  return replaced;
}

void ClientExchange::DropWaiters() {
  std::array<absl::AnyInvocable<void()>, kCallEvents> dropped;  // destroyed after the lock
  MutexLock lock(mutex_);
  dropped_ = true;
  dropped = std::exchange(waiters_->callbacks, {});
  if (std::exchange(awaits_room_, false)) session_->pump().ForgetRoom(waiters_);
}

bool ClientExchange::Ready(Event event) const {
  MutexLock lock(mutex_);
  return IsReady(event);
}

}  // namespace nigh
