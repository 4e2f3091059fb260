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
namespace {

// Messages larger than this many bytes are not kept, for their memory may not be needed again.
constexpr size_t kLargeMessage = size_t{64} << 10;
// What an entry of metadata, or a message in an inbox, takes besides its bytes.
constexpr size_t kEntry = 64;
// A message without reflection does not say what it takes. Of two bytes, an empty submessage takes
// some 40.
constexpr size_t kMostExpansion = 20;

size_t SpaceOf(const google::protobuf::MessageLite& message, size_t serialised) {
  const auto* const full = dynamic_cast<const google::protobuf::Message*>(&message);
  return full == nullptr ? serialised * kMostExpansion : full->SpaceUsedLong();
}

}  // namespace

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
  link_.account()->kept().Subtract(charged_);
  MutexLock lock(mutex_);
  ClearInbox();
}

absl::Status ServerCall::ChargeRequest(size_t payload) {
  size_t bytes = context_.client_metadata_.byte_size() + kEntry * context_.client_metadata_.size();
  if (payload > kShortRequest) {
    bytes += request_ == nullptr ? payload : SpaceOf(*request_, payload);
  }
  if (!link_.account()->MayKeep(bytes)) {
    return link_.account()->TooMuchToKeep(context_.method(), "a request", bytes);
  }
  charged_ = bytes;
  link_.account()->kept().Add(bytes);
  return absl::OkStatus();
}

void ServerCall::ClearInbox() {
  for (const std::string& message : inbox_) {
    link_.account()->kept().Subtract(message.size() + kEntry);
  }
  inbox_.clear();
}

void ServerCall::MakeMessages() {
  const MethodHandler& handler = method_.handler();
  if (handler.new_request != nullptr && request_ == nullptr) request_ = handler.new_request();
  if (handler.new_reply != nullptr && reply_ == nullptr) reply_ = handler.new_reply();
}

absl::Status ServerCall::TakeRequest(const FrameHeader& header, ConstByteSpan payload) {
  const auto refuse = [this](const absl::Status& why) { return Prefixed(context_.method(), why); };
  const size_t max_message = link_.limits().max_message;
  if (header.aux != 0) {
    context_.deadline_ = Deadline::After(
        absl::Nanoseconds(static_cast<int64_t>(std::min<uint64_t>(header.aux, INT64_MAX))));
  }
  if ((header.flags & kSections) != 0) {
    const absl::Status taken =
        TakeMetadata(header, link_.limits().max_metadata, payload, context_.client_metadata_);
    if (!taken.ok()) return refuse(taken);
    // What the sections have left: a peer may have changed their size since it was looked at.
    if (payload.size() > max_message) {
      return refuse(TooLargeToReceive("a request", payload.size(), Peer::kClient, max_message));
    }
  }
  const bool message = (header.flags & kMessage) != 0;
  if (message && request_ != nullptr) {
    request_size_ = payload.size();
    const absl::Status parsed = MessageTarget(request_.get()).Parse(payload);
    if (!parsed.ok()) return refuse(parsed);
  }
  if (IsCharged(header, payload.size())) {
    if (absl::Status charged = ChargeRequest(payload.size()); !charged.ok()) return charged;
  }
  if (is_unary()) return absl::OkStatus();

  MutexLock lock(mutex_);
  state_ = CallState(method_.method().kind, CallState::End::kServer);
  window_ = Window(link_.limits().window, link_.client().window);
  (void)state_.Receive(message, (header.flags & kEnd) != 0);
  if (message && request_ == nullptr) {
    inbox_.emplace_back(AsText(payload).data(), payload.size());
    link_.account()->kept().Add(payload.size() + kEntry);
    (void)window_.Received(payload.size());
  }
  return absl::OkStatus();
}

void ServerCall::Open(uint32_t id) {
  id_ = id;
  phase_.store(Phase::kOpen, std::memory_order_release);
}

bool ServerCall::Settle() {
  interception_ = nullptr;
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

// It belongs to the session alone.
void ServerCall::Renew() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  phase_.store(Phase::kSpare, std::memory_order_relaxed);
  if (std::max(request_size_, charged_) > kLargeMessage) request_.reset();
  if (charged_ != 0) link_.account()->kept().Subtract(std::exchange(charged_, 0));
  if (reply_size_ > kLargeMessage) reply_.reset();
  if (reply_ != nullptr) reply_->Clear();
  MakeMessages();
  request_size_ = reply_size_ = 0;
  initial_sent_ = send_seen_ = false;
  finished_.store(false, std::memory_order_relaxed);
  begun_.store(false, std::memory_order_relaxed);
  context_.deadline_ = Deadline::Infinite();
  context_.client_metadata_.Clear();
  context_.initial_.Clear();
  context_.trailing_.Clear();
  context_.cancellation_.Reset();
  orphaned_ = false;
  if (!inbox_.empty()) ClearInbox();
}

void ServerCall::TakeMessage(const FrameHeader& header, ConstByteSpan payload, std::string* owned) {
  MutexLock lock(mutex_);
  if (absl::Status wrong = Take(header, payload, owned); !wrong.ok()) Terminate(wrong);
}

absl::Status ServerCall::Take(const FrameHeader& header, ConstByteSpan payload,
                              std::string* owned) {
  const bool message = (header.flags & kMessage) != 0;
  const auto fail = [this](const absl::Status& why) { return Prefixed(context_.method(), why); };
  if ((header.flags & kSections) != 0) {
    return fail(absl::InternalError("metadata after the request"));
  }
  if (payload.size() > link_.limits().max_message) {
    return TooLargeToReceive(context_.method(), payload.size(), Peer::kClient,
                             link_.limits().max_message);
  }
  if (is_unary()) return fail(absl::InternalError("a message after the end of the requests"));
  if (message && !window_.Received(payload.size())) {
    return fail(absl::InternalError("a message without the credit for it"));
  }
  switch (state_.Receive(message, (header.flags & kEnd) != 0)) {
    case Verdict::kTooMany:
    case Verdict::kTooFew:
      return fail(absl::UnimplementedError("the number of requests is not what this method takes"));
    case Verdict::kAfterEnd:
      return fail(absl::InternalError("a message after the end of the requests"));
    case Verdict::kLate:
    case Verdict::kOk:
      break;
  }
  if (message && !link_.account()->MayKeep(payload.size() + kEntry)) {
    return link_.account()->TooMuchToKeep(context_.method(), "a message", payload.size());
  }
  if (message) link_.account()->kept().Add(payload.size() + kEntry);
  if (message && owned != nullptr) {
    inbox_.push_back(std::move(*owned));
  } else if (message) {
    inbox_.emplace_back(AsText(payload).data(), payload.size());
  }
  Changed();
  return absl::OkStatus();
}

bool ServerCall::TakeCredit(uint64_t bytes) {
  if (is_unary()) return bytes <= Window::kMaxCredit;  // it needs none
  MutexLock lock(mutex_);
  if (!window_.Granted(bytes)) return false;
  Changed();
  return true;
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
         (interception_->Receive(target.view()) || EndRejected());
}

bool ServerCall::ReadMessage(MessageTarget target) {
  MutexLock lock(mutex_);
  if (!Await(Event::kMessage) || !is_open() || inbox_.empty()) return false;
  const std::string message = std::move(inbox_.front());
  inbox_.pop_front();
  link_.account()->kept().Subtract(message.size() + kEntry);
  absl::Status parsed;
  {
    MutexUnlock unlock(mutex_);
    parsed = target.Parse(AsBytes(message));
  }
  // The call may have been ended while the mutex was free.
  if (parsed.ok()) {
    Consumed(message.size());
  } else {
    Terminate(Prefixed(context_.method(), parsed));
  }
  return parsed.ok();
}

void ServerCall::Consumed(size_t size) {
  if (!is_open() || !state_.can_receive()) return;
  const uint64_t grant = window_.Consumed(size);
  if (grant != 0) link_.Send({.kind = FrameKind::kCredit, .call = id_, .aux = grant});
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
  if (!wrong.ok()) {
    Terminate(wrong);
    return false;
  }
  if (state_.Send(/*message=*/true, /*end=*/false) != Verdict::kOk) return false;
  window_.Sent(message.size());
  SectionWriter sections;
  TakeInitialMetadata(sections);
  // Under the mutex: a response waits for it, and nothing of this call may be sent after its
  // response.
  link_.Send({.kind = FrameKind::kMessage, .flags = kMessage, .call = id_}, sections.block(),
             &message);
  return true;
}

bool ServerCall::Ready(Event event) const {
  MutexLock lock(mutex_);
  return IsReady(event);
}

void ServerCall::When(Event event, absl::AnyInvocable<void()> callback) {
  // Before that, for a deadline that passes ends every wait.
  WatchDeadline();
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
  return interception_ == nullptr || interception_->Send(message.view()) || EndRejected();
}

}  // namespace nigh
