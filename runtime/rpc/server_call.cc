#include "nigh/server_call.h"

#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/message_lite.h"
#include "nigh/call_state.h"
#include "nigh/dispatcher.h"
#include "nigh/message_io.h"
#include "nigh/poller.h"
#include "nigh/server_session.h"
#include "nigh/service.h"
#include "nigh/task.h"

namespace nigh {
namespace {

// Of the exception that is being handled.
absl::Status HandlerThrew(const ServerContext& context) {
  try {
    throw;
  } catch (const std::exception& thrown) {
    return absl::UnknownError(
        absl::StrCat(context.method(), ": the handler threw an exception: ", thrown.what()));
  } catch (...) {
    return absl::UnknownError(
        absl::StrCat(context.method(), ": the handler threw something that is no std::exception"));
  }
}

}  // namespace

ServerCall::ServerCall(std::shared_ptr<ServerSession> session, RegisteredMethod& method,
                       uint16_t method_id)
    : method_(method),
      method_id_(method_id),
      session_(std::move(session)),
      state_(method.method().kind, CallState::End::kServer) {
  context_.call_ = this;
  Renew();
}

void ServerCall::Renew() {
  const MethodHandler& handler = method_.handler();
  if (handler.new_request != nullptr && request_ == nullptr) request_ = handler.new_request();
  if (handler.new_reply != nullptr && reply_ == nullptr) reply_ = handler.new_reply();
}

bool ServerCall::Read(MessageTarget target) { return session_->Read(*this, target); }

bool ServerCall::Write(MessageSource message) {
  if (absl::Status measured = message.Measure(); !measured.ok()) {
    session_->Abort(*this, measured);
    return false;
  }
  return session_->Write(*this, message);
}

std::optional<bool> ServerCall::TryWrite(MessageSource message) {
  if (absl::Status measured = message.Measure(); !measured.ok()) {
    session_->Abort(*this, measured);
    return false;
  }
  return session_->TryWrite(*this, message);
}

bool ServerCall::Ready(Event event) const { return session_->Ready(*this, event); }

void ServerCall::When(Event event, absl::AnyInvocable<void()> callback) {
  // The handler may end, and the call with it, before this returns.
  const std::shared_ptr<ServerSession> session = session_;
  session->When(*this, event, std::move(callback));
}

void ServerCall::SendInitialMetadata() { session_->SendInitialMetadata(*this); }

bool ServerCall::HasSoleRequest() const { return session_->HasSoleRequest(*this); }

void ServerCall::Finish(absl::Status status) { session_->Respond(*this, std::move(status)); }

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

absl::Status ServerCall::RunHandler() {
  if (absl::Status status = ReadyToRun(); !status.ok()) return status;
  const MethodHandler& handler = method_.handler();
  try {
    return handler.run(*handler.service, *this);
  } catch (...) {
    return HandlerThrew(context_);
  }
}

RunningTask ServerCall::ServeCoroutine(std::unique_ptr<ServerCall> call) {
  absl::Status status = call->ReadyToRun();
  if (status.ok()) {
    const MethodHandler& handler = call->method_.handler();
    try {
      const Task<absl::Status> task = handler.co_run(*handler.service, *call);
      status = co_await task;
    } catch (...) {
      status = HandlerThrew(call->context_);
    }
  }
  const std::shared_ptr<ServerSession> session = call->session_;
  call->Finish(std::move(status));
  // This may be anybody's thread; a server that shuts down knows of the poller's alone.
  session->poller().Post(
      nullptr, [call = std::move(call)]() mutable { ServerSession::Recycle(std::move(call)); });
}

void ServerCall::Serve(std::unique_ptr<ServerCall> call) {
  if (call->method_.handler().co_run != nullptr) return ServeCoroutine(std::move(call)).Detach();
  call->Finish(call->RunHandler());
  ServerSession::Recycle(std::move(call));
}

}  // namespace nigh
