// How unary calls of callers that wait begin and end on a client session, each in one section of
// the sender.

#include <cstdint>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "nigh/client_context.h"
#include "nigh/deadline.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/call_sections.h"
#include "nigh/runtime/call/frame_sender.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/client/slot.h"
#include "nigh/runtime/client/unary_call.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/frame.h"

namespace nigh {

bool ClientSession::Start(UnaryCall& call, const MessageSource& request) {
  const int64_t now = SteadyNanos();
  NoticeDeath(now);
  // Soon: this thread waits for its reply next.
  last_looked_.store(now, std::memory_order_relaxed);
  const Method& method = *call.method().method;
  ClientContext& context = call.context();
  if (absl::Status status = CheckStart(method, context, &request); !status.ok()) {
    call.End(std::move(status));
    return true;
  }
  context.peer_ = peer_;
  SectionWriter sections;
  AddMetadata(context.sent_, SectionType::kMetadata, sections);
  FrameHeader header{.kind = FrameKind::kRequest,
                     .flags = kMessage | kEnd,
                     .method = call.method().id,
                     .aux = TimeLeft(context.deadline_)};
  Slot* slot = nullptr;
  Sent sent = Sent::kFailed;
  uint64_t ordinal = 0;
  {
    // One section: the number is claimed, declared and sent, or the connection has ended.
    MutexLock lock(sender_.mutex());
    if (closed_ || going_away_.load(std::memory_order_relaxed)) return false;
    slot = slots_.Claim(server_.max_calls);
    if (slot != nullptr) {
      slot->Renew(Window(limits_.window, server_.window));
      slot->state.Open();
      header.call = slot->id;
      sent = sender_.SendRequestLocked(header, method.name, sections.block(), &request);
      ordinal = requests_++;
    }
  }
  if (slot == nullptr) {
    call.End(TooManyCalls(method));
    return true;
  }
  if (sent != Sent::kFailed && !proven_) proven_ = true;
  if (sent != Sent::kAll || writers_waiting_ != 0) {
    MutexLock lock(mutex_);
    AfterSend(sent);
  }
  // The server cannot have acted upon a frame that the medium has refused, so the call may begin
  // again on another session. The slot goes with this one.
  if (sent == Sent::kFailed) return false;
  call.Open(*slot, ordinal);
  return true;
}

bool ClientSession::GiveUp(Slot& slot, absl::FunctionRef<void()> taken) {
  bool untouched = false;
  Sent sent = Sent::kAll;
  {
    // One section: until the CANCEL is on its way the number must not become another call's.
    MutexLock lock(sender_.mutex());
    if (!slot.state.Leave()) return false;
    taken();
    // If the REQUEST has not left, the server never hears of the call and owes no RESPONSE.
    untouched = sender_.DropLocked(slot.id);
    if (untouched) {
      requests_are_exact_ = false;
    } else {
      sent = sender_.SendLocked({.kind = FrameKind::kCancel, .call = slot.id}, "", nullptr);
    }
  }
  // A server that answers nevertheless has freed it already.
  if (untouched && slot.state.MeetLeft()) slots_.GiveBack(slot);
  MutexLock lock(mutex_);
  untouched ? AfterDrop() : AfterSend(sent);
  PromoteFollower();
  HandOver();
  return true;
}

void ClientSession::End(Slot& slot) {
  // The server may have answered before all of the request had left.
  if (!sender_.idle()) {
    MutexLock lock(mutex_);
    (void)DropUnsent(slot.id);
  }
  FreeSlot(slot);
}

}  // namespace nigh
