#include "nigh/runtime/client/client_exchange.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/call_sections.h"
#include "nigh/runtime/call/call_state.h"
#include "nigh/runtime/client/client_link.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/client/pump.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {

ClientExchange::ClientExchange(const Method& method, const UsedContext& context, Judge judge,
                               Opener opener)
    : method_(method),
      context_(context),
      judge_(std::move(judge)),
      opener_(std::move(opener)),
      state_(method.kind, CallState::End::kClient),
      reader_(method, context) {
  state_.Close();  // until it is open
}

ClientExchange::~ClientExchange() {
  // In a child of fork(2), it is the parent's call.
  if (!birth_.is_this()) {
    LeaveToParent(session_);
    return;
  }
  bool posted = false;
  {
    MutexLock lock(mutex_);
    // The receiver may have been about to take a frame when the call ended.
    while (slot_ != nullptr) slot_lost_.Wait(mutex_);
    posted = posted_;
  }
  if (posted) waiters_->poller->Revoke(waiters_);
}

void ClientExchange::Expect(MessageTarget target) {
  MutexLock lock(mutex_);
  target_ = target;
}

void ClientExchange::Begin(const MessageSource* first, bool end, bool lasts) {
  MutexLock lock(mutex_);
  if (end) (void)sent_.End();
  if (first == nullptr) return;
  if (lasts) {
    sent_.Lend(*first);
  } else {
    (void)sent_.Add(*first);
  }
  ClientContext& context = context_.context();
  if (CallExtras::HasAttached(context)) sent_.AddExtras(CallExtras::TakeAttached(context));
}

bool ClientExchange::Open(std::shared_ptr<ClientSession>& session, uint16_t method_id) {
  session->pump().NoticeDeath(/*waits=*/false);
  std::shared_ptr<ClientSession> former;  // destroyed after the lock
  MutexLock lock(mutex_);
  if (!waiting_) return true;
  if (!cancelled_.ok()) {
    SettleNow(cancelled_);
    return true;
  }
  former = std::exchange(session_, session);
  if (!SendRequest(method_id)) {
    former.swap(session_);
    return false;
  }
  session = nullptr;
  waiting_ = false;
  SendTheRestAgain();
  Changed();
  // The caller of a unary method waits for its reply next, and pumps then.
  if (method_.kind != MethodKind::kUnary) PassOn();
  return true;
}

bool ClientExchange::SendRequest(uint16_t method_id) {
  Pump& pump = session_->pump();
  std::optional<MessageSource> first;
  if (sent_.count() > 0) first = sent_[0];
  const SharedExtras extras = sent_.extras(0);
  state_ = CallState(method_.kind, CallState::End::kClient);
  status_ = absl::OkStatus();
  absl::Status status = link().CheckRequest(method_, context_, first ? &*first : nullptr);
  if (status.ok()) status = link().CheckExtras(method_, first ? first->size() : 0, extras.get());
  if (!status.ok()) {
    status_ = std::move(status);
    state_.Close();
    return true;
  }
  const bool end = sent_.ended() && sent_.count() <= 1;
  window_ = Window(link().limits().window, link().server().window);
  if (first) window_.Sent(SizeInWindow(first->size(), extras.get()));
  (void)state_.Send(first.has_value(), end);
  context_.set_peer(link().peer());
  if (waiters_ != nullptr) {
    pump.Attach(waiters_->poller);
    attached_ = true;
  }
  SectionWriter sections;
  AddMetadata(context_.sent(), SectionType::kMetadata, sections);
  FrameHeader header{
      .kind = FrameKind::kRequest, .method = method_id, .aux = TimeLeft(context_.deadline())};
  if (first) header.flags |= kMessage;
  if (end) header.flags |= kEnd;
  const ClientLink::Opening opening =
      link().Open(std::move(header), method_, sections.block(), first ? &*first : nullptr,
                  extras.get(), [&](Slot& slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
                    slot.RenewFor(*this);
                    slot_ = &slot;
                  });
  ordinal_ = opening.ordinal;
  if (!opening.refused) {
    context_.CountAttempt();
    if (opening.slot == nullptr) Close(link().TooManyCalls(method_));
    return true;
  }
  // The receiver may be about to take a frame, or to tell this call that the connection is over.
  // Nothing of that is for the call any more.
  state_.Close();
  if (slot_ != nullptr && slot_->state.Leave()) {
    link().MeetLeft(*slot_);
    slot_ = nullptr;
  }
  if (std::exchange(attached_, false)) pump.Detach();
  while (slot_ != nullptr) slot_lost_.Wait(mutex_);
  return false;
}

void ClientExchange::SendTheRestAgain() {
  const size_t count = sent_.count();
  for (size_t i = 1; i < count; ++i) {
    if (state_.closed()) return;
    // What one server lets a client be ahead, another may not.
    if (!window_.may_send()) {
      return Abandon(absl::UnavailableError(
          absl::StrCat(Name(), ": the next server takes only ", link().server().window,
                       " bytes ahead, fewer than had been sent to the last one")));
    }
    const MessageSource message = sent_[i];
    const SharedExtras extras = sent_.extras(i);
    if (absl::Status wrong = link().CheckExtras(method_, message.size(), extras.get());
        !wrong.ok()) {
      return Abandon(std::move(wrong));
    }
    const bool end = sent_.ended() && i == count - 1;
    (void)state_.Send(/*message=*/true, end);
    (void)SendMessage(message, extras.get(), end);
  }
}

void ClientExchange::Settle(absl::Status status) {
  MutexLock lock(mutex_);
  if (waiting_) SettleNow(cancelled_.ok() ? std::move(status) : cancelled_);
}

void ClientExchange::SettleNow(absl::Status status) {
  waiting_ = false;
  Close(std::move(status));
}

bool ClientExchange::waits_for_session() const {
  MutexLock lock(mutex_);
  return waiting_;
}

ClientExchange::Beginning ClientExchange::beginning() const {
  MutexLock lock(mutex_);
  return {.lost_by = status_, .pause = pause_, .refused_by = refused_ ? session_ : nullptr};
}

void ClientExchange::PassOn() {
  if (session_ != nullptr && !link().sender().idle()) session_->pump().PassOn();
}

bool ClientExchange::Write(const MessageSource& message, bool end) {
  NoticeDeath();
  MutexLock lock(mutex_);
  if (waiting_ || state_.can_send()) AwaitSender(Event::kRoom);
  const Sent sent = WriteNow(message, end);
  // What does not fit leaves only while somebody pumps. That may have to be this thread.
  if (sent == Sent::kSome) AwaitSender(Event::kLeft);
  return sent != Sent::kFailed;
}

void ClientExchange::NoticeDeath() {
  std::shared_ptr<ClientSession> session;
  {
    MutexLock lock(mutex_);
    session = session_;
  }
  if (session != nullptr) session->pump().NoticeDeath(/*waits=*/false);
}

std::optional<bool> ClientExchange::TryWrite(const MessageSource& message, bool end) {
  MutexLock lock(mutex_);
  if (!IsReady(Event::kRoom)) return std::nullopt;
  return WriteNow(message, end) != Sent::kFailed;
}

Sent ClientExchange::WriteNow(const MessageSource& message, bool end) {
  if (!state_.can_send()) return Sent::kFailed;
  if (const size_t limit = link().server().max_message; message.size() > limit) {
    Abandon(TooLargeToSend(Name(), "a message", message.size(), Peer::kServer, limit));
    return Sent::kFailed;
  }
  ClientContext& context = context_.context();
  if (absl::Status wrong =
          link().CheckExtras(method_, message.size(), CallExtras::Attached(context).get());
      !wrong.ok()) {
    Abandon(std::move(wrong));
    return Sent::kFailed;
  }
  if (state_.Send(/*message=*/true, end) != Verdict::kOk) return Sent::kFailed;
  SharedExtras extras;
  if (CallExtras::HasAttached(context)) extras = CallExtras::TakeAttached(context);
  if (!sent_.complete()) return SendMessage(message, extras.get(), end);
  if (end) (void)sent_.End();
  // More than a window of this side's own is not kept, whatever the server's is.
  const size_t size = SizeInWindow(message.size(), extras.get());
  if (sent_.count() > 0 && sent_.size() + size > link().limits().window) {
    sent_.Drop();
    return SendMessage(message, extras.get(), end);
  }
  const MessageSource kept = sent_.Add(message);
  if (extras != nullptr) sent_.AddExtras(extras);
  return Kept(SendMessage(kept, extras.get(), end));
}

Sent ClientExchange::SendMessage(const MessageSource& message, const Extras* extras, bool end) {
  window_.Sent(SizeInWindow(message.size(), extras));
  FrameHeader header{.kind = FrameKind::kMessage, .flags = kMessage, .call = slot_->id};
  if (end) header.flags |= kEnd;
  if (extras == nullptr) return link().Send(std::move(header), &message);
  return link().SendWith(*extras, std::move(header), message);
}

bool ClientExchange::WritesDone() {
  MutexLock lock(mutex_);
  // Whoever opens the call says so.
  if (waiting_) return sent_.End();
  if (state_.Send(/*message=*/false, /*end=*/true) != Verdict::kOk) return false;
  (void)sent_.End();
  const Sent sent =
      Kept(link().Send({.kind = FrameKind::kMessage, .flags = kEnd, .call = slot_->id}));
  if (sent == Sent::kSome && waiters_ == nullptr) AwaitSender(Event::kLeft);
  return sent != Sent::kFailed;
}

bool ClientExchange::Read(MessageTarget target) {
  CallExtras::DropReceived(context_.context());
  MutexLock lock(mutex_);
  target_ = target;
  if (inbox_.empty()) Await(Event::kMessage, Role::kReader);
  if (!target_filled_ && !inbox_.empty()) ParseInbox();
  target_ = MessageTarget();
  PassOn();
  return std::exchange(target_filled_, false);
}

void ClientExchange::ParseInbox() {
  Message message = std::move(inbox_.front());
  inbox_.pop_front();
  Parse(message.bytes.bytes(), std::move(message.extras));
}

void ClientExchange::Parse(ConstByteSpan message, std::shared_ptr<Extras> extras) {
  const MessageTarget target = std::exchange(target_, MessageTarget());
  const size_t size = SizeInWindow(message.size(), extras.get());
  absl::Status parsed;
  {
    // Parsing takes long. Only this thread, the call's reader, touches the target.
    MutexUnlock unlock(mutex_);
    parsed = target.Parse(message);
  }
  changes_.store(changes_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (parsed.ok()) {
    CallExtras::Receive(context_.context(), std::move(extras));
    target_filled_ = true;
    return Consumed(size);
  }
  absl::Status failure = Prefixed(Name(), parsed);
  // The call may have ended before its last message was parsed. A malformed message still counts.
  if (state_.closed()) status_ = failure;
  Abandon(std::move(failure));
  inbox_.clear();
}

void ClientExchange::Consumed(size_t size) {
  if (!ServerStreams(method_.kind) || state_.closed()) return;
  uint64_t grant = window_.Consumed(size, inbox_.empty() && !discard_);
  if (grant == 0) return;
  grant += window_.Grow(link().TakeForWindow(window_.TakeLack(link().limits().max_window)));
  (void)link().Send({.kind = FrameKind::kCredit, .call = slot_->id, .aux = grant});
}

void ClientExchange::WaitForInitialMetadata() {
  MutexLock lock(mutex_);
  Await(Event::kInitialMetadata, Role::kOther);
}

void ClientExchange::Discard() {
  MutexLock lock(mutex_);
  DiscardNow();
}

void ClientExchange::DiscardNow() {
  if (!ServerStreams(method_.kind)) return;
  // The server's writer must not wait for credit from a reader that is gone.
  discard_ = true;
  for (const Message& message : inbox_) {
    Consumed(SizeInWindow(message.bytes.size(), message.extras.get()));
  }
  inbox_.clear();
}

absl::Status ClientExchange::Finish() {
  MutexLock lock(mutex_);
  DiscardNow();
  Await(Event::kEnd, Role::kReader);
  // The reply came while another thread pumped, so it was not parsed in place.
  if (target_ && !inbox_.empty()) ParseInbox();
  return status_;
}

bool ClientExchange::Cancel(absl::Status status) {
  MutexLock lock(mutex_);
  if (waiting_ && opening_) {
    cancelled_.Update(status);
    return false;
  }
  if (waiting_) {
    SettleNow(absl::Status(status.code(), absl::StrCat(status.message(), " while connecting")));
  } else if (!state_.closed()) {
    Abandon(std::move(status));
    PassOn();
  }
  return true;
}

void ClientExchange::Abandon(absl::Status status) {
  if (state_.closed()) return;
  Close(std::move(status));
  // Otherwise the receiver has the slot, and gives it up.
  if (link().GiveUp(*slot_, [] {})) LoseSlot();
  // The leader may be asleep, and the call its own.
  session_->pump().Interrupt();
}

void ClientExchange::Close(absl::Status status) {
  status_ = std::move(status);
  state_.Close();
  if (!waiting_) sent_.Drop();
  LetGoOfPump();
  Changed();
}

void ClientExchange::EndAttempt(absl::Status status, bool answered, bool never_begun) {
  refused_ = never_begun && absl::IsUnavailable(status);
  const std::optional<absl::Duration> pause =
      judge_({.status = status,
              .answered = answered,
              .never_begun = refused_,
              .may_reopen = sent_.complete() && !status.ok() && !dropped_});
  if (pause.has_value()) {
    waiting_ = true;
    pause_ = *pause;
    reader_.Reset();
    if (waiters_ != nullptr) {
      posted_ = true;
      waiters_->poller->Post(waiters_, [this] { opener_(); });
    }
  }
  Close(std::move(status));
}

void ClientExchange::LetGoOfPump() {
  if (std::exchange(attached_, false)) session_->pump().Detach();
  if (std::exchange(awaits_room_, false)) session_->pump().ForgetRoom(waiters_);
}

void ClientExchange::LoseSlot() {
  link().GiveBackOfWindow(window_.TakeGrown());
  slot_ = nullptr;
  slot_lost_.SignalAll();
}

void ClientExchange::Take(const FrameHeader& header, ConstByteSpan payload, FrameExtras* extras,
                          bool in_place) {
  MutexLock lock(mutex_);
  if (!state_.closed()) TakeReply(header, payload, extras, in_place);
  EndTake(header.kind == FrameKind::kResponse);
}

void ClientExchange::TakeReply(const FrameHeader& header, ConstByteSpan payload,
                               FrameExtras* extras, bool in_place) {
  const Limits& limits = link().limits();
  if (const PayloadSizes sizes = KeptSizes(header, payload, limits.max_metadata);
      !IsAccepted(sizes, limits)) {
    return Close(TooLargeToReceive(Name(), sizes, Peer::kServer, limits));
  }
  Reply reply = reader_.Read(link(), header, payload, extras);
  if (reply.has_message &&
      !window_.Received(SizeInWindow(reply.message.size(), reply.extras.get()))) {
    reply.has_message = false;
    reply.status = Prefixed(Name(), absl::InternalError("a message without the credit for it"));
  }
  if (!reply.ends) {
    NoteReply();
    if (!reply.status.ok()) return Close(std::move(reply.status));
    return reply.has_message ? Deliver(std::move(reply), extras, in_place) : Changed();
  }
  if (reply.has_message) {
    // From here on nobody sends for the call any more. The last message may still be parsed.
    NoteReply();
    status_ = std::move(reply.status);
    state_.Close();
    Deliver(std::move(reply), extras, in_place);
    reply.status = status_;
  }
  EndAttempt(std::move(reply.status), /*answered=*/true, (header.flags & kNeverBegun) != 0);
}

void ClientExchange::Deliver(Reply reply, const FrameExtras* extras, bool in_place) {
  const ConstByteSpan message = reply.message;
  if (discard_) return Consumed(SizeInWindow(message.size(), reply.extras.get()));
  // This is the reader's own thread, so the message can be parsed where it lies.
  if (in_place && target_ && !target_filled_ && inbox_.empty()) {
    return Parse(message, std::move(reply.extras));
  }
  // What holds nothing but the message is taken over; what has sections, too, is copied from.
  PayloadBuffer* const owned = extras == nullptr ? nullptr : extras->owned;
  if (owned != nullptr && owned->size() == message.size()) {
    inbox_.push_back({std::move(*owned), std::move(reply.extras)});
  } else {
    inbox_.push_back({PayloadBuffer(message), std::move(reply.extras)});
  }
  Changed();
}

bool ClientExchange::Accepts(const PayloadSizes& sizes, bool last) {
  MutexLock lock(mutex_);
  const Limits& limits = link().limits();
  const bool open = !state_.closed();
  const bool accepted = open && IsAccepted(sizes, limits);
  if (open && !accepted) Close(TooLargeToReceive(Name(), sizes, Peer::kServer, limits));
  EndTake(/*answered=*/last && !accepted);
  return accepted;
}

bool ClientExchange::TakeCredit(uint64_t bytes) {
  MutexLock lock(mutex_);
  const bool open = !state_.closed();
  if (open) NoteReply();
  const bool granted = !open || window_.Granted(bytes);
  Changed();
  EndTake(/*answered=*/false);
  return granted;
}

void ClientExchange::Lose(const absl::Status& status) {
  MutexLock lock(mutex_);
  if (!state_.closed()) {
    EndAttempt(status, /*answered=*/false, !link().MayHaveTaken(ordinal_));
  }
  LoseSlot();
}

void ClientExchange::EndTake(bool answered) {
  Slot& slot = *slot_;
  if (!answered && !state_.closed()) return slot.state.EndTake(/*last=*/false);
  LoseSlot();
  answered ? link().Free(slot) : link().GiveUpTaken(slot);
}

}  // namespace nigh
