// How a served call's handler is run, from its interceptors to its response.

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/interceptor.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/exception_status.h"
#include "nigh/runtime/call/interception.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/server/dispatcher.h"
#include "nigh/runtime/server/server_call.h"
#include "nigh/runtime/server/server_session.h"
#include "nigh/service.h"
#include "nigh/task.h"
#include "nigh/transport/bytes.h"

namespace nigh {

absl::Status ServerCall::ReadyToRun() const {
  if (!context_.IsCancelled()) return absl::OkStatus();
  return context_.deadline_.HasPassed()
             ? absl::DeadlineExceededError(
                   absl::StrCat(context_.method(), ": the deadline passed before the handler ran"))
             : absl::CancelledError(context_.method());
}

std::optional<absl::Status> ServerCall::Begin() {
  // Before the call is asked whether it is over: interceptors hear of such calls, too.
  if (session_.interceptors() != nullptr) {
    interception_ = std::make_unique<Interception<InterceptedServerCall>>(
        session_.interceptors(), *context_.method_, context_);
    if (std::optional<absl::Status> end = interception_->Start()) {
      return end->ok() ? SendAnswer() : *std::move(end);
    }
  }
  if (absl::Status status = ReadyToRun(); !status.ok()) return status;
  if (interception_ != nullptr && request_ != nullptr &&
      !interception_->Receive(CallExtras::Received(context_, {.message = request_.get()}))) {
    return interception_->rejection();
  }
  return std::nullopt;
}

absl::Status ServerCall::SendAnswer() {
  std::deque<std::string>& replies = interception_->answer();
  const std::string answer = absl::StrCat(context_.method(), ": an interceptor's answer");
  if (reply_ != nullptr) {
    if (replies.size() != 1) {
      return Prefixed(answer, absl::InternalError("not the method's one reply"));
    }
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

HandlerArguments ServerCall::Arguments() {
  return {.context = context_, .request = request_.get(), .reply = reply_.get(), .call = *this};
}

absl::Status ServerCall::RunHandler() {
  if (std::optional<absl::Status> end = Begin()) return *std::move(end);
  const MethodHandler& handler = method_.handler();
  // A handler that has forked comes back in the child, too, which must not answer, nor serve.
  const BirthProcess here;
  absl::Status status;
  try {
    status = handler.run(*handler.service, Arguments());
  } catch (...) {
    status = ExceptionStatus(context_.method(), "the handler");
  }
  here.ExitIfInherited();
  return status;
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
  call->Return(*std::move(status));
  // The coroutine may end in anybody's thread. A server that shuts down waits for the pollers'
  // threads alone, so the call goes back to the session on the poller.
  Poller& poller = call->link_.poller();
  poller.Post(nullptr, [call = std::move(call)]() mutable {
    if (!call->Settle()) return (void)call.release();
    ServerSession& session = call->session_;
    session.TakeBack(std::move(call), /*in_role=*/false);
  });
}

std::unique_ptr<ServerCall> ServerCall::Serve(std::unique_ptr<ServerCall> call) {
  if (call->method_.handler().co_run != nullptr) {
    ServeCoroutine(std::move(call)).Detach();
    return nullptr;
  }
  call->Return(call->RunHandler());
  if (!call->Settle()) (void)call.release();
  return call;
}

}  // namespace nigh
