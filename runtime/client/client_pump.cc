// The pump of a client session: how callers wait, and which of them receives.

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "absl/algorithm/container.h"
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
// assembler_. Whoever has set pumping_ has it. mutex_ guards pumping_, too, but nobody holds mutex_
// while receiving, parsing or sleeping.
//
//   caller A                   caller B                 poller                  pump    mutex_
//   -------------------------  -----------------------  ----------------------  ------  ----------
//   Await                                                                       nobody  A
//   Lead: pumping_ = true                                                       A       A
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
//   pumping_ = false           :                                                nobody  A
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
//   a turn   pumping_ = true, at most kFramesPerTurn frames, pumping_ = false, PromoteFollower. A
//            caller that comes meanwhile follows, and leads after the turn.
//   asleep   The session is in the poller's epoll set, and nobody has the pump. A caller that comes
//            leads at once. A frame then wakes both, and the poller's turn finds pumping_ set.
//   lets go  A turn says kEnded: a caller leads (and hands over when it leaves), the connection is
//            dead, or no call with waiters is open and nothing is unsent. LetGo asks for a last
//            turn.

namespace nigh {
namespace {

// At most this many frames are dispatched in one go by somebody who waits for none of them.
constexpr int kFramesPerTurn = 64;

}  // namespace

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
      if (!pumping_) PumpWhatArrived(self);
      if (!IsReady(call, event)) {
        Abandon(call, DeadlineExceeded(NameOf(call)));
      }
      break;
    }
    if (!pumping_) {
      Lead(call, event, self);
    } else {
      // A call is in the list twice while its reader and its writer both wait. Either entry may go
      // first: they are equal.
      followers_.push_back(&call);
      call.changed_.WaitUntil(mutex_, deadline);
      followers_.erase(absl::c_find(followers_, &call));
    }
  }
  // HandOver leaves unsent frames to the follower that this wakes.
  PromoteFollower();
  HandOver();
}

void ClientSession::PumpWhatArrived(ClientCall* self) {
  pumping_ = true;
  {
    MutexUnlock unlock(mutex_);
    for (int frames = 0; frames < kFramesPerTurn && Pump(self); ++frames) {
    }
  }
  pumping_ = false;
  last_looked_ = SteadyNanos();
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
  if (!pumping_ && !followers_.empty()) followers_.front()->changed_.SignalAll();
}

void ClientSession::Lead(ClientCall& call, Event event, ClientCall* self) {
  const Deadline deadline = call.context_.deadline_;
  pumping_ = true;
  // The waiter has seen another thread's wait last.
  waiter_.Reset();
  // The polls that find nothing take no mutex. What another thread changes meanwhile is seen before
  // Sleep, or ends it.
  while (!IsReady(call, event) && !deadline.HasPassed()) {
    bool found = false;
    {
      MutexUnlock unlock(mutex_);
      do {
        found = Pump(self);
      } while (!found && LookOut());
    }
    if (found) {
      waiter_.Found();
    } else if (!IsReady(call, event)) {
      Sleep(deadline);
      waiter_.Slept();
    }
  }
  last_looked_ = SteadyNanos();
  pumping_ = false;
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

bool ClientSession::LookOut() {
  while (waiter_.PollAgain(poll_cost_)) {
    if (!receiver_.Silent() || !sender_.idle()) return true;
  }
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
    unsent_ = false;
    WakeWriters();
    return true;
  }
  return false;
}

bool ClientSession::Violated(absl::Status violation) {
  violation_ = std::move(violation);
  return false;
}

bool ClientSession::Dispatch(const Frame& frame, ClientCall* self) {
  const FrameHeader& header = frame.header;
  if (!IsLegalFrameHeader(header, connection_->max_payload())) {
    return Violated(ValidateFrameHeader(header, connection_->max_payload()));
  }
  switch (header.kind) {
    case FrameKind::kMessage:
    case FrameKind::kResponse: {
      if (absl::Status status = assembler_.Interrupt(header); !status.ok()) {
        return Violated(std::move(status));
      }
      MutexLock lock(mutex_);
      if (header.rest == 0) {
        DispatchToCall(header, frame.payload, nullptr, self);
        return true;
      }
      // The first piece says how long the message will be. One that is too long, or for no call, is
      // not kept; the assembler then drops the pieces that follow.
      ClientCall* const call = FindCall(header);
      if (call == nullptr || !WithinLimit(header, frame.payload, *call)) return true;
      absl::Status begun = assembler_.Begin(frame);
      return begun.ok() || Violated(std::move(begun));
    }
    case FrameKind::kPiece: {
      absl::StatusOr<std::optional<Assembler::Whole>> whole = assembler_.Add(frame);
      if (!whole.ok()) return Violated(whole.status());
      if (!whole->has_value()) return true;
      {
        MutexLock lock(mutex_);
        DispatchToCall((*whole)->header, AsBytes((*whole)->payload), &(*whole)->payload, self);
      }
      assembler_.GiveBack((*whole)->payload);
      return true;
    }
    case FrameKind::kCredit: {
      MutexLock lock(mutex_);
      ClientCall* const call = FindCall(header);
      if (call == nullptr) return true;
      if (!call->window_.Granted(header.aux)) {
        return Violated(absl::InternalError("CREDIT frame with more credit than any window"));
      }
      Changed(*call);
      return true;
    }
    case FrameKind::kPing:
      if ((header.flags & kAck) == 0) {
        MutexLock lock(mutex_);
        AfterSend(sender_.Send({.kind = FrameKind::kPing, .flags = kAck, .aux = header.aux}, "",
                               nullptr));
      }
      return true;
    case FrameKind::kGoAway: {
      {
        MutexLock lock(mutex_);
        going_away_ = true;
        farewell_ = absl::Utf8SafeCHexEscape(AsText(frame.payload));
      }
      NotifyEnd();
      return true;
    }
    default:
      return Violated(absl::InternalError(
          absl::StrCat("a ", FrameKindName(header.kind), " frame from a server")));
  }
}

bool ClientSession::WithinLimit(const FrameHeader& header, ConstByteSpan payload,
                                ClientCall& call) {
  const size_t size = MessageSize(header, payload);
  if (size <= limits_.max_message) return true;
  absl::Status status = TooLargeToReceive(NameOf(call), size, Peer::kServer, limits_.max_message);
  // After a RESPONSE the server owes nothing: the id is free, and a CANCEL would hit nobody.
  if (header.kind == FrameKind::kResponse) {
    Release(call);
    End(call, std::move(status));
  } else {
    Abandon(call, std::move(status));
  }
  return false;
}

void ClientSession::DispatchToCall(const FrameHeader& header, ConstByteSpan payload,
                                   std::string* owned, ClientCall* self) {
  ClientCall* const call = FindCall(header);
  // No call: it is over here, and the frame crossed its cancellation on the way.
  if (call == nullptr || !WithinLimit(header, payload, *call)) return;
  const bool ends = header.kind == FrameKind::kResponse;
  absl::Status status;
  // From the first frame on, the call's own thread may read the context's metadata without a lock.
  // So metadata of later frames goes elsewhere, and is refused below.
  Metadata late;
  Metadata& initial =
      std::exchange(call->got_initial_metadata_, true) ? late : call->context_.initial_;
  absl::Status taken = ends ? TakeResponse(header, limits_.max_metadata, payload, initial,
                                           call->context_.trailing_, status)
                            : TakeMetadata(header, limits_.max_metadata, payload, initial);
  if (taken.ok() && !late.empty()) {
    taken = absl::InternalError("initial metadata after the first message");
  }
  // What the sections have left: a peer may have changed their size since it was looked at.
  if (taken.ok() && payload.size() > limits_.max_message) {
    taken = TooLargeToReceive("a reply", payload.size(), Peer::kServer, limits_.max_message);
  }
  const bool has_message = (header.flags & kMessage) != 0 && status.ok();
  if (taken.ok() && has_message && !call->window_.Received(payload.size())) {
    taken = absl::InternalError("a message without the credit for it");
  }
  if (taken.ok() && has_message &&
      call->state_.Receive(/*message=*/true, /*end=*/false) != Verdict::kOk) {
    taken = absl::UnimplementedError("the server sent a second reply to a method that has one");
  }
  if (taken.ok() && ends && status.ok() && !ServerStreams(call->method_.method->kind) &&
      call->state_.received() == 0) {
    taken = absl::UnimplementedError("the server ended the call without a reply");
  }
  if (!taken.ok()) status = Prefixed(NameOf(*call), taken);
  if (!ends) {
    if (!status.ok()) {
      Abandon(*call, std::move(status));
    } else if (has_message) {
      Deliver(*call, payload, owned, self);
    } else {
      Changed(*call);
    }
    return;
  }
  // The server's clock may have run out first. The caller is told of the deadline, whichever end
  // noticed it.
  if (status.code() == absl::StatusCode::kCancelled && call->context_.deadline_.HasPassed()) {
    status = DeadlineExceeded(NameOf(*call));
  }
  // The id is free from here on, so nobody may send a CANCEL for it any more. Hence the state is
  // closed before Deliver, which may release the mutex, or Abandon a call that it fails to parse.
  Release(*call);
  call->status_ = status;
  call->state_.Close();
  if (has_message && status.ok()) Deliver(*call, payload, owned, self);
  End(*call, call->status_);
}

void ClientSession::Deliver(ClientCall& call, ConstByteSpan message, std::string* owned,
                            ClientCall* self) {
  if (call.discard_) return Consumed(call, message.size());
  if (&call == self && call.target_ && !call.target_filled_ && call.inbox_.empty()) {
    // This is the reader's own thread, so the message can be parsed where it lies. Without the
    // mutex: parsing takes long and nobody else touches the target.
    absl::Status parsed;
    {
      MutexUnlock unlock(mutex_);
      parsed = call.target_.Parse(message);
    }
    return Parsed(call, parsed, message.size());
  }
  // A string that holds nothing but the message is taken over; one with sections is copied from.
  if (owned != nullptr && owned->size() == message.size()) {
    call.inbox_.push_back(std::move(*owned));
  } else {
    call.inbox_.push_back(std::string(AsText(message)));
  }
  Changed(call);
}

void ClientSession::HandOver() {
  if (pumping_ || !dead_.ok()) return;
  // No call needs the poller, but something may wait for room. A follower leads next and sends it.
  // After LetGo it need not be sent, for the hang-up says as much.
  if (open_async_ == 0 && (!unsent_ || let_go_ || !followers_.empty())) return;
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
  // A caller may have the receiving half by now, and only its owner may arm it. The next turn lets
  // go of the session.
  if (pumping_ || !dead_.ok()) return Wake::Ready();
  return receiver_.Arm();
}

void ClientSession::ResumeSending() {
  const Sent sent = sender_.Resume();
  MutexLock lock(mutex_);
  // Not closed yet: what the server sent before it went away is still to be received. Then the
  // pump finds the end.
  if (sent == Sent::kFailed) going_away_ = true;
  unsent_ = sent == Sent::kSome;
  // The signal that the poller has taken was the leader's, too, which may sleep on it: it arms anew.
  WakePump();
  if (!unsent_) return WakeWriters();
  if (const std::shared_ptr<Poller> poller = poller_.lock()) poller->WatchRoom(*this);
}

}  // namespace nigh
