// The pump of a client session: how callers wait, and which of them receives.

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nigh/deadline.h"
#include "nigh/event_loop.h"
#include "nigh/metadata.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_sections.h"
#include "nigh/runtime/call/call_state.h"
#include "nigh/runtime/client/client_call.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"

// Who holds what when.
//
// mutex_ guards the calls. The pump is the receiving half of connection_, with waiter_ and
// assembler_. Whoever has pump_token_ has it. Nobody holds mutex_ while receiving, parsing or
// sleeping.
//
//   caller A                   caller B                 poller                  pump    mutex_
//   -------------------------  -----------------------  ----------------------  ------  ----------
//   Await                                                                       nobody  A
//   Lead: has taken the token                                                   A       A
//    | Receive, spin, yield    Await: follows, sleeps                           A       nobody
//    |                         on its call's changed_
//    | Dispatch, A's reply:    :                                                A       A, except
//    |   parsed where it lies  :                                                        to parse
//    | Dispatch, B's message:  :                                                A       A
//    |   to its call's inbox_
//    |   Changed ----------->  wakes, parses, returns                           A       B, except
//    |                                                                                  to parse
//    | Dispatch, a message of                                                   A       A
//    |   a call with waiters:
//    |   Changed ------------------------------------>  runs the callback as    A       nobody
//    |                         Await: follows           a task
//    | Sleep: ppoll(2)         :  any thread: WakePump                          A       nobody
//    |                         :  writes interrupt_
//    | ready, or deadline      :                                                A       A
//   leaves the token           :                                                nobody  A
//   PromoteFollower -------->  signalled                                        nobody  A
//   HandOver, if there is      :                                                nobody  A
//     something to do ------------------------------->  Add: has the session
//   returns                    wakes: ready, or Lead    a turn: kEnded if B     B       B
//                                                       leads, else it pumps
//
// Deadline. A leader's ends its ppoll(2), a follower's its wait on changed_. If nobody pumps then,
// the caller takes the pump once more without waiting (PumpWhatArrived), because what has arrived
// in time counts. If the call is still not ready, Abandon ends it with DEADLINE_EXCEEDED and sends
// a CANCEL. The caller leaves as always: PromoteFollower, HandOver.
//
// The poller has the session from an Add to a turn that says kEnded. It has the pump only during
// its turns.
//
//   gets it  Opened: the first call with waiters begins. HandshakeOn: hellos are to be exchanged.
//            HandOver: a caller leaves, nobody pumps, and a call with waiters is open, or something
//            is unsent that no follower takes along.
//   a turn   takes the token, at most kFramesPerTurn frames, leaves it, PromoteFollower. A
//            caller that comes meanwhile follows, and leads after the turn.
//   asleep   The session is in the poller's epoll set, and nobody has the pump. A caller that comes
//            leads at once. A frame then wakes both, and the poller's turn finds the token taken.
//   lets go  A turn says kEnded: a caller leads (and hands over when it leaves), the connection is
//            dead, or no call with waiters is open and nothing is unsent. LetGo asks for a last
//            turn.

namespace nigh {

bool ClientSession::IsReady(const ClientCall& call, Event event) const {
  if (call.state_.closed()) return true;
  switch (event) {
    case Event::kMessage:
      return call.target_filled_ || !call.inbox_.empty();
    case Event::kInitialMetadata:
      return call.got_initial_metadata_;
    case Event::kRoom:
      return call.window_.may_send() && !sender_.congested();
    case Event::kLeft:
      return sender_.HasLeft(call.id_);
    case Event::kEnd:
      return false;
  }
  return true;
}

void ClientSession::Await(ClientCall& call, Event event, Role role) {
  const Deadline deadline = call.context_.deadline_;
  ClientCall* const self = role == Role::kReader ? &call : nullptr;
  while (!IsReady(call, event)) {
    if (deadline.HasPassed()) {
      // A reply that had arrived by then still counts.
      if (TryTakePump()) PumpWhatArrived(self);
      if (!IsReady(call, event)) {
        Abandon(call, DeadlineExceeded(NameOf(call)));
      }
      break;
    }
    if (TryTakePump()) {
      Lead(call, event, self);
    } else {
      // A call is in the list twice while its reader and its writer both wait. Either entry may go
      // first: they are equal.
      followers_.push_back(&call);
      pump_token_.Need();
      // Whoever leaves the pump from here on sees the follower.
      if (pump_token_.taken()) call.changed_.WaitUntil(mutex_, deadline);
      pump_token_.NeedNoMore();
      followers_.erase(absl::c_find(followers_, &call));
    }
  }
  // HandOver leaves unsent frames to the follower that this wakes.
  PromoteFollower();
  HandOver();
}

void ClientSession::PumpWhatArrived(ClientCall* self) {
  {
    MutexUnlock unlock(mutex_);
    (void)PumpSome(self);
    last_looked_.store(SteadyNanos(), std::memory_order_relaxed);
  }
  (void)pump_token_.Leave();
}

void ClientSession::ReleasePump() {
  if (!pump_token_.Leave()) return;
  MutexLock lock(mutex_);
  PromoteFollower();
  HandOver();
}

void ClientSession::WakeWriters() {
  if (writers_waiting_ == 0) return;
  for (ClientCall* follower : followers_) follower->changed_.SignalAll();
  if (open_async_ > 0) WakeAsyncWriters();
}

void ClientSession::PromoteFollower() {
  // Wakes the oldest follower, and with it the other thread of the same call, if both its reader
  // and its writer wait. The one that runs first leads. One that is ready by then promotes the
  // next.
  if (pump_token_.taken()) return;
  if (!followers_.empty()) {
    followers_.front()->changed_.SignalAll();
  } else if (!parked_.empty()) {
    parked_.front()->spot.Unpark();
  }
}

void ClientSession::Lead(ClientCall& call, Event event, ClientCall* self) {
  const Deadline deadline = call.context_.deadline_;
  // The waiter has seen another thread's wait last.
  waiter_.Reset();
  // The polls that find nothing take no mutex. What another thread changes meanwhile is seen before
  // Sleep, or ends it.
  while (!IsReady(call, event) && !deadline.HasPassed()) {
    bool found = false;
    {
      MutexUnlock unlock(mutex_);
      found = PumpOrLookOut(self);
    }
    if (!found && !IsReady(call, event)) {
      Sleep(deadline);
      waiter_.Slept();
    }
  }
  last_looked_.store(SteadyNanos(), std::memory_order_relaxed);
  (void)pump_token_.Leave();
}

int ClientSession::PumpSome(ClientCall* self) {
  int frames = 0;
  while (frames < kFramesPerTurn && (own_ == nullptr || !own_->ended()) && Pump(self)) ++frames;
  return frames;
}

void ClientSession::SleepAsLeader(Deadline deadline) {
  MutexLock lock(mutex_);
  Sleep(deadline);
  waiter_.Slept();
}

void ClientSession::SleepAsFollower(Slot& slot, Deadline deadline,
                                    absl::FunctionRef<bool()> waits) {
  {
    MutexLock lock(mutex_);
    parked_.push_back(&slot);
    pump_token_.Need();
  }
  slot.spot.Prepare();
  // Whoever leaves the pump, hands the call over or cancels it from here on, wakes this thread.
  if (pump_token_.taken() && waits()) slot.spot.Park(deadline);
  slot.spot.Leave();
  MutexLock lock(mutex_);
  pump_token_.NeedNoMore();
  parked_.erase(absl::c_find(parked_, &slot));
}

void ClientSession::PassPump() {
  MutexLock lock(mutex_);
  PromoteFollower();
  HandOver();
}

void ClientSession::Sleep(Deadline deadline) {
  if (std::exchange(interrupted_, false)) return;
  // From here on, whoever changes something for the pump writes to interrupt_. The eventfd keeps
  // that until ppoll(2), so releasing the mutex before it loses no wake-up.
  sleeping_ = true;
  {
    MutexUnlock unlock(mutex_);
    std::array<Wake, 2> wakes;
    size_t count = 0;
    wakes[count++] = receiver_.Arm();
    if (std::optional<Wake> room = sender_.Arm()) wakes[count++] = *room;
    if (absl::c_none_of(absl::MakeSpan(wakes.data(), count),
                        [](const Wake& wake) { return wake.ready(); })) {
      // The end_fd of most media is -1, which ppoll(2) ignores.
      std::array<pollfd, 4> fds;
      fds[0] = {.fd = interrupt_.get(), .events = POLLIN, .revents = 0};
      for (size_t i = 0; i < count; ++i) {
        fds[i + 1] = {.fd = wakes[i].fd, .events = wakes[i].events, .revents = 0};
      }
      fds[count + 1] = {.fd = wakes[0].end_fd, .events = wakes[0].end_events, .revents = 0};
      timespec timeout{};
      if (!deadline.is_infinite()) {
        timeout = deadline.RemainingTimespec();
      }
      ::ppoll(fds.data(), count + 2, deadline.is_infinite() ? nullptr : &timeout, nullptr);
      eventfd_t ignored;
      if (fds[0].revents != 0) (void)::eventfd_read(fds[0].fd, &ignored);
      // ppoll(2) is level-triggered: a signal that stays unread would end the next sleep at once.
      for (size_t i = 0; i < count; ++i) {
        if (wakes[i].edge_triggered && fds[i + 1].revents != 0) {
          (void)::eventfd_read(wakes[i].fd, &ignored);
        }
      }
    }
  }
  sleeping_ = interrupted_ = false;
}

bool ClientSession::MayFind() const { return !receiver_.Silent() || !sender_.idle(); }

bool ClientSession::PumpOrLookOut(ClientCall* self) {
  do {
    if (MayFind() && Pump(self)) {
      waiter_.Found();
      return true;
    }
  } while (waiter_.PollAgain(poll_cost_));
  return false;
}

bool ClientSession::Pump(ClientCall* self) {
  if (const Frame* const frame = receiver_.Next()) {
    const bool handled = Dispatch(*frame, self);
    receiver_.Release();
    if (!handled) {
      // It is told why; whether that arrives makes no difference.
      (void)sender_.SendText({.kind = FrameKind::kGoAway},
                             violation_.message().substr(0, kMinMaxPayload));
      Fail(Prefixed(name_, violation_));
    }
    return true;
  }
  if (receiver_.ended()) {
    Fail(connection_->End(Interest::kReceive));
    return true;
  }
  // Nothing to receive, so there is time to send what waits for room. Receiving comes first: the
  // server may be unable to make room before its own frames are taken.
  if (!sender_.idle() && sender_.Resume() == Sent::kAll) {
    MutexLock lock(mutex_);
    SetUnsent(!sender_.idle());
    if (!unsent_) WakeWriters();
    return true;
  }
  return false;
}

void ClientSession::HandOver() {
  if (pump_token_.taken() || !dead_.ok()) return;
  // No call needs the poller, but something may wait for room. A follower leads next and sends it.
  // After LetGo it need not be sent, for the hang-up says as much.
  if (open_async_ == 0 && (!unsent_ || let_go_ || !followers_.empty() || !parked_.empty())) {
    return;
  }
  std::shared_ptr<Poller> poller = poller_.lock();
  if (!own_loop_) {
    if (poller == nullptr) {
      try {
        poller = SharedPoller();
      } catch (const std::system_error&) {
        // The system has no thread to give. What waits leaves with the next call.
        return;
      }
      poller_ = poller;
    }
    if (!let_go_) pump_ = poller;
  }
  if (poller != nullptr) poller->Add(shared_from_this());
}

void ClientSession::LetGo() {
  // Destroyed after the lock: the last reference waits for the poller's thread, and that thread may
  // be waiting for the lock.
  std::shared_ptr<Poller> pump;
  MutexLock lock(mutex_);
  let_go_ = true;
  pump = std::move(pump_);
  // A turn, in which the poller finds out and lets go of its reference.
  if (pump != nullptr) pump->Add(shared_from_this());
}

Pollable::Turn ClientSession::TakeTurn(InlineMark& /*mark*/) {
  if (std::optional<Turn> turn = TakeGreetingTurn()) return *turn;
  {
    MutexLock lock(mutex_);
    // A caller leads. When it leaves, HandOver gives the session back.
    if (!dead_.ok() || !TryTakePump()) return Turn::kEnded;
  }
  const int frames = PumpSome(nullptr);
  MutexLock lock(mutex_);
  last_looked_.store(SteadyNanos(), std::memory_order_relaxed);
  (void)pump_token_.Leave();
  PromoteFollower();
  if (!dead_.ok() || (open_async_ == 0 && (!unsent_ || let_go_))) return Turn::kEnded;
  if (frames == 0) return Turn::kNothing;
  return frames < kFramesPerTurn ? Turn::kDrained : Turn::kBusy;
}

Wake ClientSession::ArmReceive() {
  MutexLock lock(mutex_);
  // A caller may have the receiving half by now, and only its owner may arm it. The next turn lets
  // go of the session.
  if (!dead_.ok() || !TryTakePump()) return Wake::Ready();
  const Wake wake = receiver_.Arm();
  (void)pump_token_.Leave();
  PromoteFollower();
  return wake;
}

void ClientSession::ResumeSending() {
  const Sent sent = sender_.Resume();
  MutexLock lock(mutex_);
  // Not closed yet: what the server sent before it went away is still to be received. Then the
  // pump finds the end.
  if (sent == Sent::kFailed) going_away_ = true;
  SetUnsent(!sender_.idle());
  // The signal that the poller has taken was the leader's, too, which may sleep on it: it arms
  // anew.
  WakePump();
  if (!unsent_) return WakeWriters();
  if (const std::shared_ptr<Poller> poller = poller_.lock()) poller->WatchRoom(*this);
}

}  // namespace nigh
