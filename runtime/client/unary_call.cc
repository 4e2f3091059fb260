#include "nigh/runtime/client/unary_call.h"

#include <cstddef>
#include <optional>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/metadata.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_sections.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/client/connector.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/waiter.h"

namespace nigh {

std::optional<absl::Status> UnaryCall::Prepare() {
  context_.FollowParent();
  if (std::exchange(context_.used_, true)) {
    return absl::InternalError(
        absl::StrCat(method_.method->name, ": this ClientContext has been used for another call"));
  }
  absl::Status status = context_.ReadyToStart();
  if (status.ok()) return std::nullopt;
  return Prefixed(method_.method->name, status);
}

absl::Status UnaryCall::Run(const MessageSource& request) {
  if (std::optional<absl::Status> status = Prepare()) {
    context_.LeaveParent();
    return *std::move(status);
  }
  Connector& connector = *method_.connector;
  // Once it connects or begins again: a state callback of the channel may drop the last other
  // reference.
  std::shared_ptr<const void> alive;
  if (absl::Status status = connector.Check(method_); !status.ok()) End(std::move(status));
  while (!ended_) {
    SessionLease lease = connector.LeaseIfReady();
    if (!lease) {
      alive = connector.shared_from_this();
      absl::StatusOr<SessionLease> connected = connector.Lease(method_, context_);
      if (!connected.ok()) {
        End(connected.status());
        break;
      }
      lease = *std::move(connected);
    }
    ClientSession& session = *lease;
    if (session.Start(*this, request)) {
      if (!ended_) Await(session);
      context_.cancellation_.Remove(std::exchange(cancel_hook_, 0));
      if (!MayBeginAgain(session)) break;
    } else {
      End(session.EndStatus());
    }
    alive = session.owner();
    if (alive == nullptr) break;
    BeginAgain();
    connector.Retire(session);
  }
  context_.LeaveParent();
  return std::move(status_);
}

bool UnaryCall::MayBeginAgain(const ClientSession& session) {
  // Nearly no call goes further than this.
  if (status_.code() != absl::StatusCode::kUnavailable || slot_ == nullptr ||
      session.MayHaveTaken(ordinal_) || got_message_) {
    return false;
  }
  return !std::exchange(again_, true);
}

void UnaryCall::BeginAgain() {
  slot_ = nullptr;
  ended_ = got_initial_metadata_ = false;
  context_.initial_.Clear();
  context_.trailing_.Clear();
  status_ = absl::OkStatus();
}

void UnaryCall::Take(const ClientSession& session, const FrameHeader& header,
                     ConstByteSpan payload) {
  // Nearly every call: OK, with the reply and nothing else.
  const bool plain = header.kind == FrameKind::kResponse && header.flags == kMessage &&
                     header.aux == 0 && !got_message_ && broken_.ok() &&
                     payload.size() <= session.limits().max_message;
  if (!plain) return TakeSlowly(session, header, payload);
  status_ = reply_.Parse(payload);
  ended_ = true;
  if (!status_.ok()) status_ = Prefixed(session.NameOf(*method_.method), status_);
}

void UnaryCall::TakeSlowly(const ClientSession& session, const FrameHeader& header,
                           ConstByteSpan payload) {
  if (!broken_.ok()) {
    if (header.kind == FrameKind::kResponse) End(broken_);
    return;
  }
  const Limits& limits = session.limits();
  if (const size_t size = MessageSize(header, payload); size > limits.max_message) {
    return Refuse(session, size, header.kind == FrameKind::kResponse);
  }
  const bool ends = header.kind == FrameKind::kResponse;
  absl::Status status;
  // Metadata of later frames goes elsewhere, and is refused below.
  Metadata late;
  Metadata& initial = std::exchange(got_initial_metadata_, true) ? late : context_.initial_;
  absl::Status taken =
      ends ? TakeResponse(header, limits.max_metadata, payload, initial, context_.trailing_, status)
           : TakeMetadata(header, limits.max_metadata, payload, initial);
  if (taken.ok() && !late.empty()) {
    taken = absl::InternalError("initial metadata after the first message");
  }
  // What the sections have left: a peer may have changed their size since it was looked at.
  if (taken.ok() && payload.size() > limits.max_message) {
    taken = TooLargeToReceive("a reply", payload.size(), Peer::kServer, limits.max_message);
  }
  const bool has_message = (header.flags & kMessage) != 0 && status.ok();
  if (taken.ok() && has_message && got_message_) {
    taken = absl::UnimplementedError("the server sent a second reply to a method that has one");
  }
  if (taken.ok() && has_message) {
    got_message_ = true;
    taken = reply_.Parse(payload);
  }
  if (taken.ok() && ends && status.ok() && !got_message_) {
    taken = absl::UnimplementedError("the server ended the call without a reply");
  }
  if (!taken.ok()) status = Prefixed(session.NameOf(*method_.method), taken);
  if (!ends) {
    broken_ = std::move(status);
    return;
  }
  // The server's clock may have run out first. The caller is told of the deadline, whichever end
  // noticed it.
  if (status.code() == absl::StatusCode::kCancelled && context_.deadline_.HasPassed()) {
    status = DeadlineExceeded(session.NameOf(*method_.method));
  }
  End(std::move(status));
}

void UnaryCall::Refuse(const ClientSession& session, size_t size, bool last) {
  if (!broken_.ok()) return last ? End(broken_) : void();
  absl::Status status = TooLargeToReceive(session.NameOf(*method_.method), size, Peer::kServer,
                                          session.limits().max_message);
  if (last) {
    End(std::move(status));
  } else {
    broken_ = std::move(status);
  }
}

absl::Status UnaryCall::WhyGivenUp(const ClientSession& session) const {
  if (!broken_.ok()) return broken_;
  if (context_.cancellation_.requested()) {
    return Prefixed(method_.method->name, absl::CancelledError("cancelled"));
  }
  return DeadlineExceeded(session.NameOf(*method_.method));
}

void UnaryCall::WakeOnCancel(ClientSession& session) {
  if (cancel_hook_ != 0) return;
  cancel_hook_ = context_.cancellation_.Add([slot = slot_, &session] {
    slot->spot.Unpark();
    session.Interrupt();
  });
}

void UnaryCall::Await(ClientSession& session) {
  const SlotState& state = slot_->state;
  for (;;) {
    if (session.TryTakePump()) {
      Lead(session);
    } else {
      Follow(session);
    }
    if (state.value() == SlotState::kDone) TakeOver(session, /*last=*/true);
    if (ended_) return session.End(*slot_);
    if (state.value() == SlotState::kLost) return End(session.EndStatus());
    if (IsToBeGivenUp() && GiveUp(session)) return;
  }
}

void UnaryCall::Lead(ClientSession& session) {
  const SlotState& state = slot_->state;
  session.BeginToLead(*this);
  // Before this thread led, another may have taken frames for it.
  if (state.value() == SlotState::kOpen) TakeOver(session, /*last=*/false);
  while (!ended_ && state.value() == SlotState::kOpen) {
    const bool found = session.PumpOrLookOut();
    if (ended_) break;
    if (IsToBeGivenUp()) {
      // A reply that had arrived by then still counts.
      session.PumpTheRest();
      break;
    }
    if (found) continue;
    WakeOnCancel(session);
    if (!IsToBeGivenUp()) session.SleepAsLeader(context_.deadline_);
  }
  // Before the next leader receives: nothing more is taken for this call.
  if (ended_) slot_->state.Free();
  session.EndToLead();
}

void UnaryCall::Follow(ClientSession& session) {
  const SlotState& state = slot_->state;
  const auto waits = [&] { return state.pending() && !IsToBeGivenUp(); };
  bool slept = false;
  Waiter waiter(session.wait_policy());
  while (waits() && session.pump_is_taken()) {
    if (waiter.PollAgain(Waiter::PollCost::kCheap)) continue;
    WakeOnCancel(session);
    session.SleepAsFollower(*slot_, context_.deadline_, waits);
    waiter.Slept();
    slept = true;
  }
  // The receiver is about to hand it over.
  while (state.value() == SlotState::kTaken) std::this_thread::yield();
  if (slept && !state.pending()) session.PassPump();
}

void UnaryCall::TakeOver(const ClientSession& session, bool last) {
  if (slot_->taken == nullptr) return;
  TakenFrames& taken = *slot_->taken;
  for (size_t i = 0; i < taken.count() && !ended_; ++i) {
    if (taken.refused_before(i)) Refuse(session, taken.refused(), /*last=*/false);
    Take(session, taken[i].header, AsBytes(taken[i].payload));
  }
  if (taken.refused_before(taken.count()) && !ended_) Refuse(session, taken.refused(), last);
  // The RESPONSE was refused, too, of a call that had been broken before.
  if (last && !ended_) End(broken_);
  if (taken.overflowed() && !ended_ && broken_.ok()) {
    broken_ = Prefixed(session.NameOf(*method_.method),
                       absl::InternalError("more frames than a unary call has"));
  }
  taken.Clear();
}

bool UnaryCall::GiveUp(ClientSession& session) {
  const bool left = session.GiveUp(*slot_, [&] { TakeOver(session, /*last=*/false); });
  if (left) End(WhyGivenUp(session));
  return left;
}

}  // namespace nigh
