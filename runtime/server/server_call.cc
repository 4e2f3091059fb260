#include "nigh/runtime/server/server_call.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/message_lite.h"
#include "nigh/interceptor.h"
#include "nigh/message_io.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_state.h"
#include "nigh/runtime/call/exception_status.h"
#include "nigh/runtime/call/interception.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/server/dispatcher.h"
#include "nigh/runtime/server/server_session.h"
#include "nigh/service.h"
#include "nigh/task.h"
#include "nigh/transport/bytes.h"

namespace nigh {

ServerCall::ServerCall(std::shared_ptr<ServerSession> session, RegisteredMethod& method,
                       uint16_t method_id)
    : method_(method),
      method_id_(method_id),
      session_(std::move(session)),
      state_(method.method().kind, CallState::End::kServer) {
  Renew();
}

ServerCall::~ServerCall() = default;

void ServerCall::Renew() {
  const MethodHandler& handler = method_.handler();
  if (handler.new_request != nullptr && request_ == nullptr) request_ = handler.new_request();
  if (handler.new_reply != nullptr && reply_ == nullptr) reply_ = handler.new_reply();
}

bool ServerCall::Read(MessageTarget target) {
  if (interception_ == nullptr) return session_->Read(*this, target);
  return interception_->rejection().ok() && session_->Read(*this, target) &&
         (interception_->Receive(target.view()) || EndRejected());
}

bool ServerCall::Write(MessageSource message) {
  if (absl::Status measured = message.Measure(); !measured.ok()) {
    Abort(measured);
    return false;
  }
  return PassSend(message) && session_->Write(*this, message);
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
  const std::optional<bool> written = session_->TryWrite(*this, message);
  send_seen_ = !written.has_value();
  return written;
}

bool ServerCall::Ready(Event event) const { return session_->Ready(*this, event); }

void ServerCall::When(Event event, absl::AnyInvocable<void()> callback) {
  // Once the callback is set, the handler may be resumed and end, and the call with it, before this
  // returns.
  const std::shared_ptr<ServerSession> session = session_;
  session->When(*this, event, std::move(callback));
}

void ServerCall::SendInitialMetadata() { session_->SendInitialMetadata(*this); }

bool ServerCall::HasSoleRequest() const { return session_->HasSoleRequest(*this); }

void ServerCall::Finish(absl::Status status) {
  if (interception_ != nullptr) {
    // A single reply is not written but goes with the response, so interceptors see it here.
    if (status.ok() && !interception_->finished() && reply_ != nullptr) {
      (void)interception_->Send({.message = reply_.get(), .bytes = ""});
    }
    status = interception_->Finish(std::move(status));
  }
  session_->Respond(*this, std::move(status));
}

void ServerCall::Abort(const absl::Status& status) { session_->Abort(*this, status); }

void ServerCall::WatchDeadline() {
  if (deadline_timer_.has_value() || context_.deadline_.is_infinite()) return;
  deadline_timer_ = session_->AddDeadlineTimer(*this);
}

absl::Status ServerCall::ReadyToRun() const {
  if (!context_.IsCancelled()) return absl::OkStatus();
  return context_.deadline_.HasPassed()
             ? absl::DeadlineExceededError(
                   absl::StrCat(context_.method(), ": the deadline passed before the handler ran"))
             : absl::CancelledError(context_.method());
}

std::optional<absl::Status> ServerCall::Begin() {
  // Before the call is asked whether it is over: interceptors hear of such calls, too.
  if (session_->interceptors() != nullptr) {
    interception_ = std::make_unique<Interception<InterceptedServerCall>>(
        session_->interceptors(), *context_.method_, context_);
    if (std::optional<absl::Status> end = interception_->Start()) {
      return end->ok() ? SendAnswer() : *std::move(end);
    }
  }
  if (absl::Status status = ReadyToRun(); !status.ok()) return status;
  if (interception_ != nullptr && request_ != nullptr &&
      !interception_->Receive({.message = request_.get(), .bytes = ""})) {
    return interception_->rejection();
  }
  return std::nullopt;
}

absl::Status ServerCall::SendAnswer() {
  std::deque<std::string>& replies = interception_->answer();
  const std::string answer = absl::StrCat(context_.method(), ": an interceptor's answer");
  if (reply_ != nullptr) {
    if (replies.size() != 1)
      return Prefixed(answer, absl::InternalError("not the method's one reply"));
    const absl::Status parsed = MessageTarget(reply_.get()).Parse(AsBytes(replies.front()));
    return parsed.ok() ? parsed : Prefixed(answer, parsed);
  }
  // A coroutine runs on the poller of the connection, which must not wait for the client to read.
  const bool may_wait = method_.handler().co_run == nullptr;
  for (const std::string& reply : replies) {
    const MessageSource message((absl::string_view(reply)));
    if (may_wait ? Write(message) : TryWrite(message).value_or(false)) continue;
    return Prefixed(answer, absl::ResourceExhaustedError("longer than the client's window"));
  }
  return absl::OkStatus();
}

bool ServerCall::PassSend(const MessageSource& message) {
  return interception_ == nullptr || interception_->Send(message.view()) || EndRejected();
}

bool ServerCall::EndRejected() {
  Abort(interception_->rejection());
  return false;
}

HandlerArguments ServerCall::Arguments() {
  return {.context = context_, .request = request_.get(), .reply = reply_.get(), .call = *this};
}

absl::Status ServerCall::RunHandler() {
  if (std::optional<absl::Status> end = Begin()) return *std::move(end);
  const MethodHandler& handler = method_.handler();
  try {
    return handler.run(*handler.service, Arguments());
  } catch (...) {
    return ExceptionStatus(context_.method(), "the handler");
  }
}

RunningTask ServerCall::ServeCoroutine(std::unique_ptr<ServerCall> call) {
  std::optional<absl::Status> status = call->Begin();
  if (!status.has_value()) {
    const MethodHandler& handler = call->method_.handler();
    try {
      const Task<absl::Status> task = handler.co_run(*handler.service, call->Arguments());
      status = co_await task;
    } catch (...) {
      status = ExceptionStatus(call->context_.method(), "the handler");
    }
  }
  // The call is moved into the task below, and its reference to the session with it.
  const std::shared_ptr<ServerSession> session = call->session_;
  call->Finish(*std::move(status));
  // The coroutine may end in anybody's thread. A server that shuts down waits for the pollers'
  // threads alone, so the call goes back to the session on the poller.
  session->poller().Post(
      nullptr, [call = std::move(call)]() mutable { ServerSession::Recycle(std::move(call)); });
}

void ServerCall::Serve(std::unique_ptr<ServerCall> call) {
  if (call->method_.handler().co_run != nullptr) return ServeCoroutine(std::move(call)).Detach();
  call->Finish(call->RunHandler());
  ServerSession::Recycle(std::move(call));
}

}  // namespace nigh
