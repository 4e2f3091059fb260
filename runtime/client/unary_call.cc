#include "nigh/runtime/client/unary_call.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/runtime/base/parking.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/call_sections.h"
#include "nigh/runtime/client/client_link.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/client/connector.h"
#include "nigh/runtime/client/pump.h"
#include "nigh/runtime/client/retry.h"
#include "nigh/runtime/client/session_lease.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {

// What the call's thread waits for; see Pump::Await.
class UnaryCall::Wait {
 public:
  Wait(UnaryCall& call, ClientSession& session) : call_(call), session_(session) {}

  bool waits() const { return !over() && !call_.IsToBeGivenUp(); }
  bool over() const { return call_.ended_ || !call_.slot_->state.pending(); }
  Deadline deadline() const { return call_.context_.deadline(); }
  ParkingSpot& spot() const { return call_.slot_->spot; }
  bool is_patient() const { return false; }
  const void* own() const { return call_.slot_; }
  void BeginToLead() {
    // Before this thread led, another may have taken frames for it.
    if (call_.slot_->state.value() == SlotState::kOpen) call_.TakeOver(session_.link(), false);
  }
  void BeginToSleep() {
    if (call_.cancel_hook_ != 0) return;
    call_.cancel_hook_ =
        call_.context_.cancellation().Add([slot = call_.slot_, &pump = session_.pump()] {
          slot->spot.Unpark();
          pump.Interrupt();
        });
  }

 private:
  UnaryCall& call_;
  ClientSession& session_;
};

absl::Status UnaryCall::Run(const MessageSource& request) {
  if (absl::Status here = method_.connector->CheckProcess(*method_.method); !here.ok()) return here;
  if (absl::Status status = context_.Begin(*method_.method); !status.ok()) return status;
  if (absl::Status status = context_.Ready(*method_.method); !status.ok()) End(std::move(status));
  Connector& connector = *method_.connector;
  // Once it connects or begins again: a state callback of the channel may drop the last other
  // reference.
  std::shared_ptr<const void> alive;
  // It is asked once more when the call is over.
  std::shared_ptr<const void> repeats;
  if (method_.method->idempotency != Idempotency::kUnknown) repeats = connector.shared_from_this();
  if (absl::Status status = connector.Check(method_); !status.ok()) End(std::move(status));
  do {
    RunOnSessions(connector, request, alive);
  } while (repeats != nullptr && Repeats(connector));
  context_.End();
  return std::move(status_);
}

bool UnaryCall::Repeats(Connector& connector) {
  // It has found no server, for as long as it waits for one.
  if (slot_ == nullptr) return false;
  const std::optional<absl::Duration> pause =
      connector.retry().Next(*method_.method, context_.attempts(), status_, answered_);
  if (!pause.has_value() || !Retry::Pause(context_, *pause)) return false;
  BeginAgain();
  return true;
}

void UnaryCall::RunOnSessions(Connector& connector, const MessageSource& request,
                              std::shared_ptr<const void>& alive) {
  while (!ended_) {
    SessionLease lease = connector.LeaseIfReady();
    if (!lease) {
      alive = connector.shared_from_this();
      absl::StatusOr<SessionLease> connected = connector.Lease(
          method_, context_, context_.attempts() > 0 ? Connector::kComeback : absl::ZeroDuration());
      if (!connected.ok()) {
        End(connected.status());
        break;
      }
      lease = *std::move(connected);
    }
    ClientSession& session = *lease;
    if (Start(session, request)) {
      if (!ended_) Await(session);
      context_.cancellation().Remove(std::exchange(cancel_hook_, 0));
      if (!MayBeginAgain(session.link())) break;
    } else {
      End(session.link().EndStatus());
    }
    alive = session.owner();
    if (alive == nullptr) break;
    BeginAgain();
    connector.Retire(session);
  }
}

bool UnaryCall::Start(ClientSession& session, const MessageSource& request) {
  ClientLink& link = session.link();
  session.pump().NoticeDeath(/*waits=*/true);
  const Method& method = *method_.method;
  if (absl::Status status = link.CheckRequest(method, context_, &request); !status.ok()) {
    End(std::move(status));
    return true;
  }
  context_.set_peer(link.peer());
  SharedExtras extras;
  SectionWriter sections;
  if (CallExtras::HasAttached(context_.context())) {
    extras = CallExtras::Attached(context_.context());
    if (absl::Status status = link.CheckExtras(method, request.size(), extras.get());
        !status.ok()) {
      End(std::move(status));
      return true;
    }
  }
  AddMetadata(context_.sent(), SectionType::kMetadata, sections);
  FrameHeader header{.kind = FrameKind::kRequest,
                     .flags = kMessage | kEnd,
                     .method = method_.id,
                     .aux = TimeLeft(context_.deadline())};
  const ClientLink::Opening opening =
      link.Open(std::move(header), method, sections.block(), &request, extras.get(),
                [&](Slot& slot) { slot.RenewFor(*this, Credit(link.server().window)); });
  // It may begin again on another session. The slot goes with this one.
  if (opening.refused) return false;
  context_.CountAttempt();
  if (opening.slot == nullptr) {
    End(link.TooManyCalls(method));
    return true;
  }
  slot_ = opening.slot;
  ordinal_ = opening.ordinal;
  return true;
}

void UnaryCall::Await(ClientSession& session) {
  ClientLink& link = session.link();
  Wait wait(*this, session);
  for (;;) {
    session.pump().Await(wait);
    // The receiver is about to hand it over.
    while (slot_->state.value() == SlotState::kTaken) std::this_thread::yield();
    if (!ended_ && slot_->state.value() == SlotState::kDone) TakeOver(link, /*last=*/true);
    if (ended_) return link.Free(*slot_);
    if (slot_->state.value() == SlotState::kLost) return End(link.EndStatus());
    if (!IsToBeGivenUp()) continue;
    if (link.GiveUp(*slot_, [&] { TakeOver(link, /*last=*/false); })) {
      session.pump().PassOn();
      return End(WhyGivenUp(link));
    }
  }
}

bool UnaryCall::MayBeginAgain(const ClientLink& link) {
  // Nearly no call goes further than this.
  if (status_.code() != absl::StatusCode::kUnavailable || slot_ == nullptr ||
      reader_.got_message()) {
    return false;
  }
  return (never_begun_ || !link.MayHaveTaken(ordinal_)) && begun_again_++ < Retry::kMostBegins;
}

void UnaryCall::BeginAgain() {
  slot_ = nullptr;
  ended_ = answered_ = never_begun_ = false;
  reader_.Reset();
  status_ = broken_ = absl::OkStatus();
}

void UnaryCall::Take(const ClientLink& link, const FrameHeader& header, ConstByteSpan payload,
                     FrameExtras* extras) {
  // Nearly every call: OK, with the reply and nothing else.
  const bool plain = header.kind == FrameKind::kResponse && header.flags == kMessage &&
                     header.aux == 0 && !reader_.got_message() && broken_.ok() &&
                     payload.size() <= link.limits().max_message;
  if (!plain) return TakeSlowly(link, header, payload, extras);
  status_ = reply_.Parse(payload);
  ended_ = answered_ = true;
  if (!status_.ok()) status_ = Prefixed(link.NameOf(*method_.method), status_);
}

void UnaryCall::TakeSlowly(const ClientLink& link, const FrameHeader& header, ConstByteSpan payload,
                           FrameExtras* extras) {
  const bool ends = header.kind == FrameKind::kResponse;
  answered_ = ends;
  never_begun_ = ends && (header.flags & kNeverBegun) != 0;
  if (!broken_.ok()) return ends ? End(broken_) : void();
  if (const PayloadSizes sizes = SizesOf(header, payload); !IsAccepted(sizes, link.limits())) {
    return Refuse(link, sizes, ends);
  }
  Reply reply = reader_.Read(link, header, payload, extras);
  if (reply.has_message) {
    if (absl::Status parsed = reply_.Parse(reply.message); !parsed.ok()) {
      reply.status = Prefixed(link.NameOf(*method_.method), parsed);
    }
    CallExtras::Receive(context_.context(), std::move(reply.extras));
  }
  if (ends) {
    End(std::move(reply.status));
  } else {
    broken_ = std::move(reply.status);
  }
}

void UnaryCall::Refuse(const ClientLink& link, const PayloadSizes& sizes, bool last) {
  if (!broken_.ok()) return last ? End(broken_) : void();
  absl::Status status =
      TooLargeToReceive(link.NameOf(*method_.method), sizes, Peer::kServer, link.limits());
  if (last) {
    End(std::move(status));
  } else {
    broken_ = std::move(status);
  }
}

absl::Status UnaryCall::WhyGivenUp(const ClientLink& link) const {
  if (!broken_.ok()) return broken_;
  if (context_.cancellation().requested()) {
    return Prefixed(method_.method->name, absl::CancelledError("cancelled"));
  }
  return DeadlineExceeded(link.NameOf(*method_.method));
}

void UnaryCall::TakeOver(const ClientLink& link, bool last) {
  if (slot_->taken == nullptr) return;
  TakenFrames& taken = *slot_->taken;
  for (size_t i = 0; i < taken.count() && !ended_; ++i) {
    if (taken.refused_before(i)) Refuse(link, taken.refused(), /*last=*/false);
    const ConstByteSpan payload = taken[i].bytes();
    FrameExtras& extras = taken[i].extras;
    extras.owned = extras.kept == nullptr ? &taken[i].payload : nullptr;
    Take(link, taken[i].header, payload, &extras);
  }
  if (taken.refused_before(taken.count()) && !ended_) Refuse(link, taken.refused(), last);
  // The RESPONSE was refused, too, of a call that had been broken before.
  if (last && !ended_) End(broken_);
  if (taken.overflowed() && !ended_ && broken_.ok()) {
    broken_ = Prefixed(link.NameOf(*method_.method),
                       absl::InternalError("more frames than a unary call has"));
  }
  taken.Clear();
}

}  // namespace nigh
