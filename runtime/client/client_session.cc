#include "nigh/runtime/client/client_session.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nigh/deadline.h"
#include "nigh/event_loop.h"
#include "nigh/runtime/base/parking.h"
#include "nigh/runtime/call/assembler.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/client/client_exchange.h"
#include "nigh/runtime/client/client_link.h"
#include "nigh/runtime/client/slot.h"
#include "nigh/runtime/client/unary_call.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"

namespace nigh {
namespace {

// What the connecting thread waits for; see Pump::Await.
class HelloWait {
 public:
  HelloWait(const Handshake& handshake, Deadline deadline, const std::function<bool()>& abandon)
      : handshake_(handshake), deadline_(deadline), abandon_(abandon) {}

  bool waits() const { return !over() && !deadline_.HasPassed() && !abandon_(); }
  bool over() const { return handshake_.over(); }
  Deadline deadline() const { return deadline_; }
  ParkingSpot& spot() { return spot_; }
  bool is_patient() const { return false; }
  const void* own() const { return nullptr; }
  void BeginToLead() {}
  void BeginToSleep() {}

 private:
  const Handshake& handshake_;
  const Deadline deadline_;
  const std::function<bool()>& abandon_;
  ParkingSpot spot_;
};

}  // namespace

namespace {

// The program's own, which must not be held: it holds the session while it polls that. Otherwise
// none: a channel has no thread while callers wait for their calls, and the thread that channels
// share must not come to end here, where the sender's lock is held.
std::function<std::shared_ptr<Poller>()> OwnPoller(const ChannelOptions& options) {
  std::weak_ptr<Poller> own;
  if (options.event_loop != nullptr) own = options.event_loop->poller();
  return [own] { return own.lock(); };
}

}  // namespace

ClientSession::ClientSession(std::unique_ptr<Connection> connection, std::string name,
                             const ChannelOptions& options,
                             std::shared_ptr<const ExpectedServer> expected, bool takes_fds)
    : link_(std::move(connection), std::move(name), options.limits, pump_, takes_fds),
      pump_(link_.connection(), link_.sender(), *this, options),
      cooling_(OwnPoller(options), [this] { return Cool(); }),
      handshake_(link_, std::move(expected)),
      assembler_(link_.connection()) {
  link_.sender().OnLongMessage([this] { cooling_.Use(weak_from_this()); });
}

ClientSession::~ClientSession() { Close(); }

absl::Status ClientSession::Greet(Deadline deadline, const std::function<bool()>& abandon) {
  handshake_.Begin(nullptr);
  HelloWait wait(handshake_, deadline, abandon);
  pump_.Await(wait);
  if (!handshake_.over()) {
    abandon() ? handshake_.Fail(absl::UnavailableError("cancelled")) : handshake_.TimeOut();
  }
  pump_.NoteLook();
  return handshake_.outcome();
}

void ClientSession::GreetOn(const std::shared_ptr<Poller>& poller, Deadline deadline,
                            std::function<void(const absl::Status&)> done) {
  handshake_.Begin([this, poller = poller.get(), done = std::move(done)] {
    // As a task: what follows is other people's code, and here the pump is taken. The poller is
    // about to let go of the session.
    poller->Post(nullptr, [done, self = shared_from_this()] { done(self->handshake_.outcome()); });
    pump_.Detach();
  });
  // The timer's task and the pump's turns are both in the poller's role.
  poller->AddTimer(deadline, nullptr, [weak = weak_from_this()] {
    if (const std::shared_ptr<ClientSession> self = weak.lock()) self->handshake_.TimeOut();
  });
  pump_.Attach(poller);
}

bool ClientSession::Violated(absl::Status violation) {
  violation_ = std::move(violation);
  return false;
}

bool ClientSession::TakeFrame(const Frame& frame, const void* own) {
  const FrameHeader& header = frame.header;
  if (!handshake_.over()) {
    handshake_.Take(frame);
    return true;
  }
  if (!IsLegalFrameHeader(header, link_.connection().max_received_payload())) {
    return Violated(ValidateFrameHeader(header, link_.connection().max_received_payload()));
  }
  switch (header.kind) {
    case FrameKind::kMessage:
    case FrameKind::kResponse: {
      if ((header.flags & kSections) == 0) return TakeReply(frame, nullptr, own);
      absl::StatusOr<FrameExtras> extras =
          link_.extras().Take(header, frame.payload, Peer::kServer);
      return extras.ok() ? TakeReply(frame, &*extras, own) : Violated(extras.status());
    }
    case FrameKind::kMemory: {
      absl::Status taken = link_.extras().TakeMemory(header, link_.sender());
      return taken.ok() || Violated(std::move(taken));
    }
    case FrameKind::kPiece:
      return TakePiece(frame, own);
    case FrameKind::kCredit:
      return TakeCredit(header, own) ||
             Violated(absl::InternalError("CREDIT frame with more credit than any window"));
    case FrameKind::kPing:
      if ((header.flags & kAck) == 0) {
        (void)link_.Send({.kind = FrameKind::kPing, .flags = kAck, .aux = header.aux});
      }
      return true;
    case FrameKind::kGoAway:
      link_.GoAway(absl::Utf8SafeCHexEscape(AsText(frame.payload)), header.aux);
      NotifyEnd();
      return true;
    default:
      return Violated(absl::InternalError(
          absl::StrCat("a ", FrameKindName(header.kind), " frame from a server")));
  }
}

bool ClientSession::TakeReply(const Frame& frame, FrameExtras* extras, const void* own) {
  const FrameHeader& header = frame.header;
  if (absl::Status status = assembler_.Interrupt(header); !status.ok()) {
    return Violated(std::move(status));
  }
  Slot* const slot = link_.slots().Find(header.call);
  if (slot == nullptr) return true;
  // A first piece says how long the message will be, and so does one that is whole and as long.
  // What is too long, or for no call, is not kept; the assembler drops the pieces that follow.
  const bool is_cut = header.rest != 0;
  const bool is_long = header.length > kMinMaxPayload &&  // hardly any is
                       header.length > link_.connection().max_payload();
  if ((is_cut || is_long) && !IsWanted(*slot, header, frame.payload, own)) return true;
  if (!is_cut) {
    Route(*slot, header, frame.payload, extras, own);
    return true;
  }
  absl::Status begun =
      assembler_.Begin(frame, extras == nullptr ? FrameExtras() : std::move(*extras));
  return begun.ok() || Violated(std::move(begun));
}

bool ClientSession::TakePiece(const Frame& frame, const void* own) {
  absl::StatusOr<std::optional<Assembler::Whole>> whole = assembler_.Add(frame);
  if (!whole.ok()) return Violated(whole.status());
  if (!whole->has_value()) return true;
  const FrameHeader& header = (*whole)->header;
  PayloadBuffer& payload = (*whole)->payload;
  if (Slot* const slot = link_.slots().Find(header.call)) {
    FrameExtras& extras = (*whole)->extras;
    extras.owned = &payload;
    Route(*slot, header, payload.bytes(), &extras, own);
  }
  if (payload.capacity() <= link_.limits().max_message && assembler_.GiveBack(payload)) {
    cooling_.Use(weak_from_this());
  }
  return true;
}

bool ClientSession::Cool() {
  // The assembler is whoever's who pumps.
  pump_.PauseSoon();
  return cooling_.IsDue();
}

void ClientSession::TakePause() {
  if (!cooling_.IsDue()) return;
  assembler_.Trim();
  switch (link_.sender().Trim()) {
    case Trimmed::kAll:
      return cooling_.Forget();
    case Trimmed::kHeld:
      return cooling_.Use(weak_from_this());
    case Trimmed::kMore:
      return;
  }
}

void ClientSession::Route(Slot& slot, const FrameHeader& header, ConstByteSpan payload,
                          FrameExtras* extras, const void* own) {
  if (slot.state.value() == SlotState::kOpen) {
    if (own == &slot) {
      // This thread's own: parsed where it lies.
      slot.unary->Take(link_, header, payload, extras);
      // Nothing more is taken for it, not even in this turn.
      if (slot.unary->ended()) slot.state.EndOwn();
      return;
    }
    if (slot.state.BeginTake()) {
      if (slot.exchange == nullptr) return KeepFor(slot, header, payload, extras);
      return slot.exchange->Take(header, payload, extras, /*in_place=*/own == slot.exchange);
    }
  }
  // The owner has left, and the frame has crossed its cancellation on the way.
  if (header.kind == FrameKind::kResponse) link_.MeetLeft(slot);
}

void ClientSession::KeepFor(Slot& slot, const FrameHeader& header, ConstByteSpan payload,
                            FrameExtras* extras) {
  FrameExtras kept;
  // One that is longer than a frame lies in memory that both sides share, or in a buffer.
  if (payload.size() > link_.connection().max_payload() &&
      (extras == nullptr || extras->owned == nullptr)) {
    if (extras != nullptr) kept = std::move(*extras);
    kept.kept = link_.connection().KeepBulk(payload);
    extras = &kept;
  }
  slot.Keep(header, payload, extras);
}

bool ClientSession::IsWanted(Slot& slot, const FrameHeader& header, ConstByteSpan payload,
                             const void* own) {
  const bool last = header.kind == FrameKind::kResponse;
  if (slot.state.value() == SlotState::kOpen) {
    const PayloadSizes sizes = KeptSizes(header, payload, link_.limits().max_metadata);
    const bool fits = IsAccepted(sizes, link_.limits());
    if (own == &slot) {
      if (!fits) slot.unary->Refuse(link_, sizes, last);
      if (slot.unary->ended()) slot.state.EndOwn();
      return fits;
    }
    if (slot.state.BeginTake()) {
      if (slot.exchange != nullptr) return slot.exchange->Accepts(sizes, last);
      fits ? slot.state.EndTake(/*last=*/false) : slot.Refuse(sizes, last);
      return fits;
    }
  }
  if (last) link_.MeetLeft(slot);
  return false;
}

bool ClientSession::TakeCredit(const FrameHeader& header, const void* own) {
  Slot* const slot = link_.slots().Find(header.call);
  if (slot == nullptr || slot->state.value() != SlotState::kOpen) return true;
  // A unary call needs none, but is granted no more than another.
  if (own == slot) return slot->credit.Add(header.aux);
  if (!slot->state.BeginTake()) return true;
  if (slot->exchange != nullptr) return slot->exchange->TakeCredit(header.aux);
  const bool granted = slot->credit.Add(header.aux);
  slot->state.EndTake(/*last=*/false);
  return granted;
}

void ClientSession::TakeEnd() {
  absl::Status why;
  if (violation_.ok()) {
    // A server that has said that it goes is not asked how it died, which may take a while.
    why = link_.has_farewell() ? absl::UnavailableError(absl::StrCat(
                                     link_.name(), ": receive: the server closed the connection"))
                               : link_.connection().End(Interest::kReceive);
  } else {
    // The server is told why; whether that arrives makes no difference.
    (void)link_.sender().SendText({.kind = FrameKind::kGoAway},
                                  violation_.message().substr(0, kMinMaxPayload));
    why = Prefixed(link_.name(), violation_);
  }
  if (!handshake_.over()) return handshake_.Fail(why);
  link_.End(std::move(why));
  const absl::Status end = link_.EndStatus();
  for (uint32_t id = 0; id < link_.slots().made(); ++id) {
    Slot& slot = *link_.slots().Find(id);
    if (!slot.state.Lose()) continue;
    if (slot.exchange != nullptr) {
      slot.exchange->Lose(end);
    } else {
      slot.spot.Unpark();
    }
  }
  // After the calls have ended: on_end_ has the connector drop this session.
  NotifyEnd();
}

void ClientSession::NotifyEnd() {
  if (!end_notified_.exchange(true) && on_end_) on_end_();
}

}  // namespace nigh
