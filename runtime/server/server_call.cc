#include "nigh/runtime/server/server_call.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/message.h"
#include "google/protobuf/message_lite.h"
#include "nigh/deadline.h"
#include "nigh/interceptor.h"
#include "nigh/message_io.h"
#include "nigh/metadata.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/call_sections.h"
#include "nigh/runtime/call/call_state.h"
#include "nigh/runtime/call/interception.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/server/dispatcher.h"
#include "nigh/runtime/server/server_session.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/service.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {
ServerCall::ServerCall(ServerSession& session, RegisteredMethod& method, const Method& description,
                       uint16_t method_id)
    : session_(session),
      link_(session.link()),
      method_(method),
      method_id_(method_id),
      state_(description.kind, CallState::End::kServer) {
  context_.peer_ = link_.peer();
  context_.method_ = &description;
  MakeMessages();
}

ServerCall::~ServerCall() {
  link_.account()->kept().Subtract(charged_ + reading_);
  link_.account()->spare().Subtract(spare_bytes_);
  MutexLock lock(mutex_);
  EndReading();
}

void ServerCall::MakeMessages() {
  const MethodHandler& handler = method_.handler();
  if (handler.new_request != nullptr && request_ == nullptr) request_ = handler.new_request();
  if (handler.new_reply != nullptr && reply_ == nullptr) reply_ = handler.new_reply();
}

void ServerCall::Open(uint32_t id) {
  id_ = id;
  phase_.store(Phase::kOpen, std::memory_order_release);
}

bool ServerCall::Settle() {
  interception_ = nullptr;
  DropReceived();
  CallExtras::DropAttached(context_);
  if (!is_unary()) {
    // What has come since the handler returned.
    MutexLock lock(mutex_);
    EndReading();
  }
  // A timer that is due is a task already. RemoveTimer is too late for it, and Revoke takes it
  // back.
  if (std::optional<TaskQueue::TimerId> timer = std::exchange(deadline_timer_, std::nullopt)) {
    link_.poller().RemoveTimer(*timer);
    link_.poller().Revoke(this);
  }
  // Waits for a callback that is running. The callback may need the mutex.
  context_.cancellation_.Remove(std::exchange(context_.callback_, 0));
  // Whoever has terminated the call may not have let go of it yet.
  if (phase_.load(std::memory_order_acquire) != Phase::kTerminated) return true;
  MutexLock lock(mutex_);
  orphaned_ = pins_ > 0;
  return !orphaned_;
}

void ServerCall::ChargeSpare() {
  if (charged_ != 0) link_.account()->kept().Subtract(std::exchange(charged_, 0));
  size_t large = 0;
  if (request_size_ * kParsedPerByte > kLargeMessage && RequestSpace() > kLargeMessage) {
    large += RequestSpace();
  }
  if (reply_size_ > kLargeMessage) {
    if (reply_sent_) {
      large += SpaceOf(*reply_, reply_size_);
    } else {
      // It may be larger than any that could be.
      reply_.reset();
    }
  }
  request_size_ = request_space_ = reply_size_ = 0;
  if (large == 0) return;
  const size_t more = large > spare_bytes_ ? large - spare_bytes_ : 0;
  if (!session_.KeepsSpare(more)) return DropMessages();
  link_.account()->spare().Add(more);
  spare_bytes_ += more;
}

void ServerCall::DropMessages() {
  link_.account()->spare().Subtract(std::exchange(spare_bytes_, 0));
  request_.reset();
  reply_.reset();
  MakeMessages();
}

// It belongs to the session alone.
void ServerCall::Renew() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  phase_.store(Phase::kSpare, std::memory_order_relaxed);
  if (reply_ != nullptr) reply_->Clear();
  MakeMessages();
  initial_sent_ = send_seen_ = false;
  finished_.store(false, std::memory_order_relaxed);
  begun_.store(false, std::memory_order_relaxed);
  context_.deadline_ = Deadline::Infinite();
  context_.client_metadata_.Clear();
  context_.initial_.Clear();
  context_.trailing_.Clear();
  context_.cancellation_.Reset();
  orphaned_ = false;
  if (!inbox_.empty()) EndReading();
}

void ServerCall::LookForRoom() {
  MutexLock lock(mutex_);
  Changed();
}

bool ServerCall::IsReady(Event event) const {
  if (!is_open()) return true;
  switch (event) {
    case Event::kMessage:
      return !inbox_.empty() || !state_.can_receive();
    case Event::kRoom:
      return !state_.can_send() ||
             (window_.may_send() && link_.sender().HasRoom(id_) && !link_.MuchWaits());
  }
  return true;
}

void ServerCall::Changed() {
  changed_.SignalAll();
  for (int event = 0; event < kEvents; ++event) {
    absl::AnyInvocable<void()>& callback = waiting_[event];
    if (callback == nullptr || !IsReady(static_cast<Event>(event))) continue;
    link_.poller().Post(nullptr, std::exchange(callback, nullptr));
  }
}

bool ServerCall::Await(Event event) {
  const Deadline deadline = context_.deadline_;
  while (!IsReady(event)) {
    if (deadline.HasPassed()) {
      Terminate(DeadlineExceeded(context_.method()));
      return false;
    }
    changed_.WaitUntil(mutex_, deadline);
  }
  return true;
}

bool ServerCall::Read(MessageTarget target) {
  if (interception_ == nullptr) return ReadMessage(target);
  return interception_->rejection().ok() && ReadMessage(target) &&
         (interception_->Receive(CallExtras::Received(context_, target.view())) || EndRejected());
}

void ServerCall::DropReceivedNow() {
  CallExtras::DropReceived(context_);
  if (reading_ != 0) link_.account()->kept().Subtract(std::exchange(reading_, 0));
}

bool ServerCall::ReadMessage(MessageTarget target) {
  DropReceived();
  MutexLock lock(mutex_);
  if (!Await(Event::kMessage) || !is_open() || inbox_.empty()) return false;
  Message received = std::move(inbox_.front());
  inbox_.pop_front();
  const PayloadBuffer& message = received.bytes;
  link_.account()->kept().Subtract(message.size() + kEntry);
  reading_ = received.attachment_size();
  const size_t size = SizeInWindow(message.size(), received.extras.get());
  CallExtras::Receive(context_, std::move(received.extras));
  absl::Status parsed;
  {
    MutexUnlock unlock(mutex_);
    parsed = target.Parse(message.bytes());
  }
  // The call may have been ended while the mutex was free.
  if (parsed.ok()) {
    Consumed(size);
  } else {
    Terminate(Prefixed(context_.method(), parsed));
  }
  return parsed.ok();
}

void ServerCall::Consumed(size_t size) {
  if (!is_open() || !state_.can_receive()) return;
  uint64_t grant = window_.Consumed(size, inbox_.empty());
  if (grant == 0) return;
  const size_t lack = window_.TakeLack(link_.limits().max_window);
  grant += window_.Grow(link_.account()->TakeForWindow(lack));
  link_.Send({.kind = FrameKind::kCredit, .call = id_, .aux = grant});
}

bool ServerCall::Write(MessageSource message) {
  if (absl::Status measured = message.Measure(); !measured.ok()) {
    Abort(measured);
    return false;
  }
  return PassSend(message) && WriteMessage(message);
}

bool ServerCall::WriteMessage(const MessageSource& message) {
  MutexLock lock(mutex_);
  return Await(Event::kRoom) && WriteNow(message);
}

std::optional<bool> ServerCall::TryWrite(MessageSource message) {
  if (absl::Status measured = message.Measure(); !measured.ok()) {
    Abort(measured);
    return false;
  }
  // A write that finds no room is tried again; interceptors see its message once.
  if (interception_ != nullptr && !send_seen_) {
    if (!Ready(Event::kRoom)) return std::nullopt;
    if (!PassSend(message)) return false;
  }
  MutexLock lock(mutex_);
  send_seen_ = !IsReady(Event::kRoom);
  if (send_seen_) return std::nullopt;
  return WriteNow(message);
}

bool ServerCall::WriteNow(const MessageSource& message) {
  if (!is_open() || !state_.can_send()) return false;
  absl::Status wrong;
  if (message.size() > link_.client().max_message) {
    wrong = TooLargeToSend(context_.method(), "a reply", message.size(), Peer::kClient,
                           link_.client().max_message);
  } else if (!initial_sent_) {
    wrong = CheckMetadata();
  }
  if (wrong.ok() && CallExtras::HasAttached(context_)) wrong = CheckAttached(message.size());
  if (!wrong.ok()) {
    Terminate(wrong);
    return false;
  }
  if (state_.Send(/*message=*/true, /*end=*/false) != Verdict::kOk) return false;
  SharedExtras extras;
  if (CallExtras::HasAttached(context_)) extras = CallExtras::TakeAttached(context_);
  window_.Sent(SizeInWindow(message.size(), extras.get()));
  SectionWriter sections;
  TakeInitialMetadata(sections);
  FrameHeader header{.kind = FrameKind::kMessage, .flags = kMessage, .call = id_};
  // Under the mutex: a response waits for it, and nothing of this call may be sent after its
  // response.
  if (extras != nullptr) {
    link_.SendWith(*extras, std::move(header), sections.block(), &message);
  } else {
    link_.Send(std::move(header), sections.block(), &message);
  }
  return true;
}

absl::Status ServerCall::CheckAttached(size_t size) {
  const SharedExtras attached = CallExtras::Attached(context_);
  absl::Status wrong =
      link_.extras().CheckToSend(context_.method(), size, *attached,
                                 InReplies(context_.method_->fds), link_.client(), Peer::kClient);
  if (!wrong.ok() || attached->descriptors == nullptr) return wrong;
  CallExtras::CountAttached(context_, link_.account()->departing());
  wrong = link_.account()->departing()->Check();
  return wrong.ok() ? wrong : Prefixed(context_.method(), wrong);
}

absl::StatusOr<AttachmentBuffer> ServerCall::AllocateAttachment(size_t size) {
  return SessionExtras::Allocate(absl::StrCat(context_.method(), ": AllocateAttachment"), size,
                                 link_.client(), Peer::kClient, link_.sender());
}

bool ServerCall::Ready(Event event) const {
  MutexLock lock(mutex_);
  return IsReady(event);
}

void ServerCall::When(Event event, absl::AnyInvocable<void()> callback) {
  // Before that, for a deadline that passes ends every wait.
  WatchDeadline();
  if (event == Event::kMessage) DropReceived();
  // Once the callback is set and the mutex free, the handler may be resumed and end.
  MutexLock lock(mutex_);
  waiting_[static_cast<int>(event)] = std::move(callback);
  Changed();
}

void ServerCall::SendInitialMetadata() {
  MutexLock lock(mutex_);
  if (!is_open() || initial_sent_) return;
  if (absl::Status status = CheckMetadata(); !status.ok()) return Terminate(status);
  SectionWriter sections;
  TakeInitialMetadata(sections);
  link_.Send({.kind = FrameKind::kMessage, .call = id_}, sections.block());
}

absl::Status ServerCall::CheckMetadata() const {
  for (const Metadata* metadata : {&context_.initial_, &context_.trailing_}) {
    if (!metadata->status().ok()) return Prefixed(context_.method(), metadata->status());
  }
  const size_t limit = link_.client().max_metadata;
  if (context_.initial_.byte_size() <= limit) return absl::OkStatus();
  return TooLargeToSend(context_.method(), "initial metadata", context_.initial_.byte_size(),
                        Peer::kClient, limit);
}

void ServerCall::TakeInitialMetadata(SectionWriter& sections) {
  if (std::exchange(initial_sent_, true)) return;
  AddMetadata(context_.initial_, SectionType::kMetadata, sections);
}

bool ServerCall::HasSoleRequest() const {
  MutexLock lock(mutex_);
  return !state_.can_receive() && inbox_.size() == 1;
}

bool ServerCall::PassSend(const MessageSource& message) {
  return interception_ == nullptr ||
         interception_->Send(CallExtras::Sent(context_, message.view())) || EndRejected();
}

}  // namespace nigh
