// What the frames that a client session receives mean for its calls.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nigh/metadata.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_sections.h"
#include "nigh/runtime/call/call_state.h"
#include "nigh/runtime/client/client_call.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/client/slot.h"
#include "nigh/runtime/client/unary_call.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {

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
      Slot* const slot = slots_.Find(header.call);
      if (slot == nullptr) return true;
      if (header.rest == 0) {
        DispatchToSlot(*slot, header, frame.payload, nullptr, self);
        return true;
      }
      // The first piece says how long the message will be. One that is too long, or for no call, is
      // not kept; the assembler then drops the pieces that follow.
      if (!BeginsFor(*slot, header, frame.payload)) return true;
      absl::Status begun = assembler_.Begin(frame);
      return begun.ok() || Violated(std::move(begun));
    }
    case FrameKind::kPiece: {
      absl::StatusOr<std::optional<Assembler::Whole>> whole = assembler_.Add(frame);
      if (!whole.ok()) return Violated(whole.status());
      if (!whole->has_value()) return true;
      if (Slot* const slot = slots_.Find((*whole)->header.call)) {
        DispatchToSlot(*slot, (*whole)->header, AsBytes((*whole)->payload), &(*whole)->payload,
                       self);
      }
      assembler_.GiveBack((*whole)->payload);
      return true;
    }
    case FrameKind::kCredit: {
      MutexLock lock(mutex_);
      Slot* const slot = slots_.Find(header.call);
      // A unary call needs none, but is granted no more than another.
      bool right = slot == nullptr || slot->state.value() != SlotState::kOpen ||
                   slot->window.Granted(header.aux);
      if (ClientCall* const call = FindCall(header)) {
        right = call->window_.Granted(header.aux);
        Changed(*call);
      }
      return right ||
             Violated(absl::InternalError("CREDIT frame with more credit than any window"));
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
        MutexLock section(sender_.mutex());
        if (requests_are_exact_) taken_.store(header.aux, std::memory_order_release);
      }
      NotifyEnd();
      return true;
    }
    default:
      return Violated(absl::InternalError(
          absl::StrCat("a ", FrameKindName(header.kind), " frame from a server")));
  }
}

void ClientSession::DispatchToSlot(Slot& slot, const FrameHeader& header, ConstByteSpan payload,
                                   std::string* owned, ClientCall* self) {
  const SlotState::Value state = slot.state.value();
  if (state == SlotState::kShared) {
    MutexLock lock(mutex_);
    return DispatchToCall(header, payload, owned, self);
  }
  if (state == SlotState::kOpen) {
    // This thread's own: parsed where it lies.
    if (own_ != nullptr && &own_->slot() == &slot) return own_->Take(*this, header, payload);
    if (slot.Take(header, payload, owned)) return;
  }
  // The owner has left, and the frame has crossed its cancellation on the way.
  if (header.kind == FrameKind::kResponse && slot.state.MeetLeft()) slots_.GiveBack(slot);
}

bool ClientSession::BeginsFor(Slot& slot, const FrameHeader& header, ConstByteSpan payload) {
  const SlotState::Value state = slot.state.value();
  if (state == SlotState::kShared) {
    MutexLock lock(mutex_);
    ClientCall* const call = FindCall(header);
    return call != nullptr && WithinLimit(header, payload, *call);
  }
  const bool last = header.kind == FrameKind::kResponse;
  if (state == SlotState::kOpen) {
    const size_t size = KeptSize(header, payload, limits_.max_metadata);
    if (size <= limits_.max_message) return true;
    if (own_ != nullptr && &own_->slot() == &slot) {
      own_->Refuse(*this, size, last);
      return false;
    }
    if (slot.Refuse(size, last)) return false;
  }
  if (last && slot.state.MeetLeft()) slots_.GiveBack(slot);
  return false;
}

bool ClientSession::WithinLimit(const FrameHeader& header, ConstByteSpan payload,
                                ClientCall& call) {
  const size_t size = KeptSize(header, payload, limits_.max_metadata);
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

}  // namespace nigh
