// What handlers do with their calls: the sending half of a server session.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/deadline.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_sections.h"
#include "nigh/runtime/call/call_state.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/server/dispatcher.h"
#include "nigh/runtime/server/server_call.h"
#include "nigh/runtime/server/server_session.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/frame.h"

namespace nigh {
namespace {

// The most calls that one connection keeps for later requests.
constexpr int kSpareCalls = 32;
// Messages larger than this many bytes are not kept, for their memory may not be needed again.
constexpr size_t kLargeMessage = size_t{64} << 10;

}  // namespace

std::unique_ptr<ServerCall> ServerSession::NewCall(uint16_t method) {
  ++running_;
  DeclaredMethod& declared = methods_[method];
  std::unique_ptr<ServerCall> call;
  if (declared.spare.empty()) {
    call = std::make_unique<ServerCall>(shared_from_this(), *declared.method, method);
    call->context_.peer_ = peer_;
    call->context_.method_ = &declared.description();
  } else {
    call = std::move(declared.spare.back());
    declared.spare.pop_back();
    --spares_;
    // A spare call has no reference to its session: the session owns it, and neither would ever go.
    call->session_ = shared_from_this();
  }
  return call;
}

void ServerSession::Recycle(std::unique_ptr<ServerCall> call) {
  call->interception_ = nullptr;
  const std::shared_ptr<ServerSession> session = std::move(call->session_);
  // A timer that is due is a task already. RemoveTimer is too late for it, and Revoke takes it
  // back.
  if (std::optional<Poller::TimerId> timer = std::exchange(call->deadline_timer_, std::nullopt)) {
    session->poller_.RemoveTimer(*timer);
    session->poller_.Revoke(call.get());
  }
  // Waits for a callback that is running. The callback may need the mutex.
  call->context_.cancellation_.Remove(std::exchange(call->context_.callback_, 0));
  bool idle = false;
  {
    MutexLock lock(session->mutex_);
    call->orphaned_ = call->pins_ > 0;
    // The last of those that use the call without the mutex takes it back, in Unpin.
    if (call->orphaned_) return (void)call.release();
    idle = session->Forget(std::move(call));
  }
  if (idle) session->NotifyIdle();
}

void ServerSession::Unpin(ServerCall& call) {
  bool idle = false;
  {
    MutexLock lock(mutex_);
    if (--call.pins_ > 0 || !call.orphaned_) return;
    idle = Forget(std::unique_ptr<ServerCall>(&call));
  }
  if (idle) NotifyIdle();
}

bool ServerSession::Forget(std::unique_ptr<ServerCall> call) {
  Uncount(*call);
  Keep(std::move(call));
  return --running_ == 0;
}

void ServerSession::NotifyIdle() {
  bool drained = false;
  bool ended = false;
  {
    MutexLock lock(mutex_);
    if (running_ > 0) return;
    drained = draining_;
    ended = ended_ && !std::exchange(end_notified_, true);
  }
  // Without the mutex, for they are the server's code. OnEnd comes last: the server lets go of the
  // session in it.
  if (drained && on_drained_) on_drained_();
  if (ended && on_end_) on_end_();
}

void ServerSession::Uncount(ServerCall& call) {
  if (std::exchange(call.counted_, false)) --handlers_;
}

void ServerSession::Keep(std::unique_ptr<ServerCall> call) {
  std::vector<std::unique_ptr<ServerCall>>& spare = methods_[call->method_id_].spare;
  if (spares_ >= kSpareCalls || ended_) return;
  if (call->request_size_ > kLargeMessage) call->request_.reset();
  if (call->reply_ != nullptr && call->reply_->ByteSizeLong() > kLargeMessage) call->reply_.reset();
  if (call->reply_ != nullptr) call->reply_->Clear();
  call->Renew();
  call->state_ = CallState(call->method_.method().kind, CallState::End::kServer);
  call->initial_sent_ = false;
  call->orphaned_ = false;
  call->inbox_.clear();
  ServedContext& context = call->context_;
  context.deadline_ = Deadline::Infinite();
  context.client_metadata_.Clear();
  context.initial_.Clear();
  context.trailing_.Clear();
  context.cancellation_.Reset();
  spare.push_back(std::move(call));
  ++spares_;
}

void ServerSession::AfterSend(const absl::StatusOr<bool>& sent) {
  if (sent.ok() && *sent) return;
  if (!sent.ok()) return connection_->Close();  // the poller will find it closed
  poller_.WatchRoom(*this);
}

void ServerSession::Refuse(uint32_t id, const absl::Status& status) {
  SendResponse(id, status, nullptr, nullptr);
}

void ServerSession::SendResponse(uint32_t id, const absl::Status& status, ServedContext* context,
                                 const MessageSource* reply) {
  // Never destroyed: threads may still run while the process exits.
  static const Metadata& none = *new Metadata();
  SectionWriter sections;
  if (context != nullptr) AddMetadata(context->initial_, SectionType::kMetadata, sections);
  AddStatus(status, context == nullptr ? none : context->trailing_, client_.max_metadata, sections);
  FrameHeader header{
      .kind = FrameKind::kResponse, .call = id, .aux = static_cast<uint64_t>(status.raw_code())};
  if (reply != nullptr) header.flags |= kMessage;
  AfterSend(sender_.Send(header, sections.block(), reply));
}

void ServerSession::Detach(ServerCall& call) {
  call.state_.Close();
  calls_[call.id_] = nullptr;
  Changed(call);
}

void ServerSession::Respond(ServerCall& call, absl::Status status) {
  ServedContext& context = call.context_;
  if (status.ok()) status = CheckMetadata(context);
  if (status.ok() && context.deadline_.HasPassed()) {
    status = DeadlineExceeded(context.method());
  }
  std::optional<MessageSource> reply;
  if (status.ok() && call.reply_ != nullptr) {
    reply.emplace(*call.reply_);
    status = reply->Measure();
    if (status.ok() && reply->size() > client_.max_message) {
      status = TooLargeToSend(context.method(), "a reply", reply->size(), Peer::kClient,
                              client_.max_message);
    }
    if (!status.ok()) reply.reset();
  }
  {
    MutexLock lock(mutex_);
    // Before the response is out: the client that has it may begin another call at once.
    Uncount(call);
    if (call.state_.closed()) return;  // cancelled: the client has its answer already
    if (call.initial_sent_ || context.initial_.byte_size() > client_.max_metadata) {
      context.initial_.Clear();
    }
    // The id is free before the response is out, too: the client uses it again only once it has the
    // response, and then at once.
    Detach(call);
  }
  SendResponse(call.id_, status, &context, reply.has_value() ? &*reply : nullptr);
}

void ServerSession::Terminate(ServerCall& call, const absl::Status& status) {
  // Marked before the requests end: a handler that finds their end must be able to tell why.
  const bool callbacks = call.context_.cancellation_.Mark();
  Detach(call);
  (void)sender_.Drop(call.id_);
  SendResponse(call.id_, status, nullptr, nullptr);
  if (!callbacks) return;
  // Callbacks are somebody else's code and may take their time, so they run as a task, without the
  // mutex. The pin keeps the call until they have run.
  ++call.pins_;
  poller_.Post(nullptr, [session = shared_from_this(), &call] {
    call.context_.cancellation_.RunCallbacks();
    session->Unpin(call);
  });
}

void ServerSession::Abort(ServerCall& call, const absl::Status& status) {
  MutexLock lock(mutex_);
  if (!call.state_.closed()) Terminate(call, status);
}

bool ServerSession::Expire(ServerCall& call) {
  if (call.state_.closed()) return false;
  Terminate(call, DeadlineExceeded(call.context_.method()));
  return false;
}

Poller::TimerId ServerSession::AddDeadlineTimer(ServerCall& call) {
  return poller_.AddTimer(call.context_.deadline_, &call,
                          [this, &call] { Abort(call, DeadlineExceeded(call.context_.method())); });
}

void ServerSession::CancelAll(const absl::Status& status) {
  MutexLock lock(mutex_);
  over_ = status;
  for (size_t id = 0; id < calls_.size(); ++id) {
    if (calls_[id] != nullptr) Terminate(*calls_[id], status);
  }
}

bool ServerSession::IsReady(const ServerCall& call, ServerCall::Event event) const {
  switch (event) {
    case ServerCall::Event::kMessage:
      return !call.inbox_.empty() || !call.state_.can_receive();
    case ServerCall::Event::kRoom:
      return !call.state_.can_send() || (call.window_.may_send() && !sender_.congested());
  }
  return true;
}

void ServerSession::Changed(ServerCall& call) {
  call.changed_.SignalAll();
  for (int event = 0; event < ServerCall::kEvents; ++event) {
    absl::AnyInvocable<void()>& callback = call.waiting_[event];
    if (callback == nullptr || !IsReady(call, static_cast<ServerCall::Event>(event))) continue;
    poller_.Post(nullptr, std::exchange(callback, nullptr));
  }
}

bool ServerSession::Ready(const ServerCall& call, ServerCall::Event event) const {
  MutexLock lock(mutex_);
  return IsReady(call, event);
}

void ServerSession::When(ServerCall& call, ServerCall::Event event,
                         absl::AnyInvocable<void()> callback) {
  // Before the callback is set: it may run at once and end the call. The deadline is watched
  // because a deadline that passes ends every wait.
  call.WatchDeadline();
  MutexLock lock(mutex_);
  call.waiting_[static_cast<int>(event)] = std::move(callback);
  Changed(call);
}

std::optional<bool> ServerSession::TryWrite(ServerCall& call, const MessageSource& message) {
  MutexLock lock(mutex_);
  if (!IsReady(call, ServerCall::Event::kRoom)) return std::nullopt;
  return WriteNow(call, message);
}

bool ServerSession::Read(ServerCall& call, MessageTarget target) {
  MutexLock lock(mutex_);
  const Deadline deadline = call.context_.deadline_;
  while (!IsReady(call, ServerCall::Event::kMessage)) {
    if (deadline.HasPassed()) return Expire(call);
    call.changed_.WaitUntil(mutex_, deadline);
  }
  if (call.state_.closed() || call.inbox_.empty()) return false;
  const std::string message = std::move(call.inbox_.front());
  call.inbox_.pop_front();
  absl::Status parsed;
  {
    MutexUnlock unlock(mutex_);
    parsed = target.Parse(AsBytes(message));
  }
  // The call may have been ended while the mutex was free.
  if (!parsed.ok()) {
    if (!call.state_.closed()) {
      Terminate(call, Prefixed(call.context_.method(), parsed));
    }
    return false;
  }
  Consumed(call, message.size());
  return true;
}

bool ServerSession::HasSoleRequest(const ServerCall& call) const {
  MutexLock lock(mutex_);
  return !call.state_.can_receive() && call.inbox_.size() == 1;
}

void ServerSession::Consumed(ServerCall& call, size_t size) {
  if (!call.state_.can_receive()) return;
  const uint64_t grant = call.window_.Consumed(size);
  if (grant == 0) return;
  AfterSend(
      sender_.Send({.kind = FrameKind::kCredit, .call = call.id_, .aux = grant}, "", nullptr));
}

absl::Status ServerSession::CheckMetadata(const ServedContext& context) const {
  for (const Metadata* metadata : {&context.initial_, &context.trailing_}) {
    if (metadata->status().ok()) continue;
    return Prefixed(context.method(), metadata->status());
  }
  if (context.initial_.byte_size() <= client_.max_metadata) return absl::OkStatus();
  return TooLargeToSend(context.method(), "initial metadata", context.initial_.byte_size(),
                        Peer::kClient, client_.max_metadata);
}

void ServerSession::TakeInitialMetadata(ServerCall& call, SectionWriter& sections) {
  if (std::exchange(call.initial_sent_, true)) return;
  AddMetadata(call.context_.initial_, SectionType::kMetadata, sections);
}

bool ServerSession::Write(ServerCall& call, const MessageSource& message) {
  MutexLock lock(mutex_);
  const Deadline deadline = call.context_.deadline_;
  while (!IsReady(call, ServerCall::Event::kRoom)) {
    if (deadline.HasPassed()) return Expire(call);
    call.changed_.WaitUntil(mutex_, deadline);
  }
  return WriteNow(call, message);
}

bool ServerSession::WriteNow(ServerCall& call, const MessageSource& message) {
  if (!call.state_.can_send()) return false;
  if (message.size() > client_.max_message) {
    Terminate(call, TooLargeToSend(call.context_.method(), "a reply", message.size(), Peer::kClient,
                                   client_.max_message));
    return false;
  }
  if (call.state_.Send(/*message=*/true, /*end=*/false) != Verdict::kOk) return false;
  call.window_.Sent(message.size());
  if (!call.initial_sent_) {
    if (absl::Status status = CheckMetadata(call.context_); !status.ok()) {
      Terminate(call, status);
      return false;
    }
  }
  SectionWriter sections;
  TakeInitialMetadata(call, sections);
  // Under the mutex: a response waits for it, and nothing of this call may be sent after its
  // response.
  AfterSend(sender_.Send({.kind = FrameKind::kMessage, .flags = kMessage, .call = call.id_},
                         sections.block(), &message));
  return true;
}

void ServerSession::SendInitialMetadata(ServerCall& call) {
  MutexLock lock(mutex_);
  if (!call.state_.can_send() || call.initial_sent_) return;
  if (absl::Status status = CheckMetadata(call.context_); !status.ok()) {
    return Terminate(call, status);
  }
  SectionWriter sections;
  TakeInitialMetadata(call, sections);
  AfterSend(
      sender_.Send({.kind = FrameKind::kMessage, .call = call.id_}, sections.block(), nullptr));
}

void ServerSession::ResumeSending() {
  const absl::StatusOr<bool> sent = sender_.Resume();
  AfterSend(sent);
  if (sent.ok() && !*sent) return;
  {
    MutexLock lock(mutex_);
    // A congested sender has held back the writers of all calls.
    for (ServerCall* call : calls_) {
      if (call != nullptr) Changed(*call);
    }
  }
  NotifyIdle();
}

void ServerSession::Drain() {
  {
    MutexLock lock(mutex_);
    draining_ = true;
  }
  AfterSend(sender_.SendText({.kind = FrameKind::kGoAway}, "the server is shutting down"));
}

bool ServerSession::Idle() const {
  MutexLock lock(mutex_);
  return running_ == 0;
}

bool ServerSession::Drained() const {
  MutexLock lock(mutex_);
  return running_ == 0 && (ended_ || sender_.idle());
}

}  // namespace nigh
