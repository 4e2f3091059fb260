#include "nigh/runtime/client/client_call.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nigh/client_context.h"
#include "nigh/interceptor.h"
#include "nigh/message_io.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_state.h"
#include "nigh/runtime/call/interception.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/client/connector.h"
#include "nigh/runtime/client/retry.h"
#include "nigh/transport/bytes.h"

namespace nigh {

ClientCall::ClientCall(BoundMethod method, ClientContext& context)
    : method_(method), context_(context), exchange_(*method.method, context_) {}

ClientCall::~ClientCall() {
  // In a child of fork(2), it is the parent's call.
  if (!is_of_this_process()) {
    LeaveToParent(session_);
    return;
  }
  // A call that is finished must not touch its context, which may be gone by now.
  if (!finished_) Drop();
}

void ClientCall::Expect(MessageTarget target) {
  expected_ = target;
  exchange_.Expect(target);
}

void ClientCall::Drop() {
  finished_ = true;
  Cancel();
  Unbind();
  if (interception_ != nullptr) {
    (void)interception_->Finish(absl::CancelledError(
        absl::StrCat(method_.method->name, ": the caller did not wait for its end")));
  }
}

std::optional<absl::Status> ClientCall::Prepare(const MessageSource* first) {
  const Method& method = *method_.method;
  if (absl::Status here = method_.connector->CheckProcess(method); !here.ok()) return here;
  if (absl::Status status = context_.Begin(method); !status.ok()) return status;
  if (method_.connector->interceptors() != nullptr) {
    interception_ = std::make_unique<Interception<InterceptedClientCall>>(
        method_.connector->interceptors(), method, context_.context());
    if (std::optional<absl::Status> end = interception_->Start()) return end;
  }
  if (absl::Status status = context_.Ready(method); !status.ok()) return status;
  if (first != nullptr && !PassSend(*first)) return interception_->rejection();
  return std::nullopt;
}

bool ClientCall::StartOn(std::shared_ptr<ClientSession>& session, const MessageSource* first,
                         bool end) {
  if (!exchange_.Open(*session, method_.id, first, end)) return false;
  session_ = std::move(session);
  // Not before the session has the request: a CANCEL must not overtake it. If the context has been
  // cancelled already, Add calls this at once.
  cancel_hook_ = context_.cancellation().Add([this] { Cancel(); });
  return true;
}

void ClientCall::FailToStart(absl::Status status) { exchange_.FailToOpen(std::move(status)); }

void ClientCall::Start(const MessageSource* first, bool end) {
  std::optional<absl::Status> status = Prepare(first);
  if (!status.has_value()) {
    if (first != nullptr && end) KeepRequest(*first);
    absl::Status opened = OpenOnSome(first, end, absl::ZeroDuration());
    if (opened.ok()) return;
    status = std::move(opened);
  }
  FailToStart(*std::move(status));
}

absl::Status ClientCall::OpenOnSome(const MessageSource* first, bool end, absl::Duration patience) {
  // A state callback of the channel may drop the last reference to the connector.
  std::shared_ptr<Connector> alive;
  for (;;) {
    absl::StatusOr<std::shared_ptr<ClientSession>> session =
        method_.connector->Session(method_, context_, patience);
    if (!session.ok()) return session.status();
    if (StartOn(*session, first, end)) return absl::OkStatus();
    alive = method_.connector->shared_from_this();
    alive->Retire(**session);
  }
}

void ClientCall::KeepRequest(const MessageSource& request) {
  if (method_.method->kind == MethodKind::kUnary) {
    request_ = request;
    return;
  }
  request_bytes_.resize(request.size());
  request.SerializeTo(reinterpret_cast<std::byte*>(request_bytes_.data()));
  request_.emplace(absl::string_view(request_bytes_));
}

bool ClientCall::Repeats() {
  const ClientExchange::Outcome end = exchange_.outcome();
  const std::optional<absl::Duration> pause = method_.connector->retry().Next(
      *method_.method, end.silent ? context_.attempts() : Retry::kNoMore, end.status, end.answered);
  return pause.has_value() && Retry::Pause(context_, *pause);
}

bool ClientCall::BeginAgain() {
  // Asked once for each attempt: what Read has called over is over for Finish.
  if (!request_.has_value() || session_ == nullptr || settled_) return false;
  const bool anew = begun_again_ < Retry::kMostBegins && exchange_.ReopenIfNeverBegun();
  if (!anew && !Repeats()) {
    settled_ = true;
    return false;
  }
  context_.cancellation().Remove(std::exchange(cancel_hook_, 0));
  const std::shared_ptr<ClientSession> former = std::exchange(session_, nullptr);
  if (anew) {
    ++begun_again_;
    method_.connector->Retire(*former);
  } else {
    exchange_.Reopen();
  }
  exchange_.Expect(expected_);
  absl::Status opened = OpenOnSome(&*request_, /*end=*/true, Connector::kComeback);
  if (!opened.ok()) FailToStart(std::move(opened));
  return true;
}

void ClientCall::Unbind() {
  if (const Cancellation::Id hook = std::exchange(cancel_hook_, 0); hook != 0) {
    context_.cancellation().Remove(hook);
  }
  context_.End();
}

bool ClientCall::Write(const MessageSource& message, bool end) {
  return session_ != nullptr && PassSend(message) && exchange_.Write(message, end);
}

std::optional<bool> ClientCall::TryWrite(const MessageSource& message, bool end) {
  if (interception_ != nullptr && !send_seen_) {
    // Interceptors see a message once, when it can be written: not at an attempt that has to wait.
    if (!exchange_.Ready(CallEvent::kRoom)) return std::nullopt;
    if (!PassSend(message)) return false;
  }
  const std::optional<bool> written = exchange_.TryWrite(message, end);
  send_seen_ = !written.has_value();
  return written;
}

bool ClientCall::WritesDone() { return session_ != nullptr && exchange_.WritesDone(); }

bool ClientCall::Read(MessageTarget target) {
  if (interception_ != nullptr) return ReadIntercepted(target);
  return ReadMessage(target);
}

bool ClientCall::ReadMessage(MessageTarget target) {
  while (session_ != nullptr) {
    if (exchange_.Read(target)) return true;
    if (!BeginAgain()) return false;
  }
  return false;
}

void ClientCall::WaitForInitialMetadata() {
  do {
    if (session_ != nullptr) exchange_.WaitForInitialMetadata();
  } while (exchange_.outcome().silent && BeginAgain());
}

absl::Status ClientCall::Finish() {
  absl::Status status = exchange_.Finish();
  while (BeginAgain()) status = exchange_.Finish();
  if (interception_ != nullptr) status = FinishIntercepted(std::move(status));
  Unbind();
  finished_ = true;
  return status;
}

void ClientCall::Cancel() {
  if (session_ != nullptr) Fail(absl::CancelledError("cancelled"));
}

void ClientCall::Fail(const absl::Status& status) {
  absl::Status named = Prefixed(method_.method->name, status);
  if (session_ != nullptr) return exchange_.Cancel(std::move(named));
  FailToStart(std::move(named));
}

bool ClientCall::PassSend(const MessageSource& message) {
  return interception_ == nullptr || interception_->Send(message.view()) || EndRejected();
}

bool ClientCall::EndRejected() {
  if (session_ != nullptr) exchange_.Cancel(interception_->rejection());
  return false;
}

bool ClientCall::ReadIntercepted(MessageTarget target) {
  if (!interception_->rejection().ok()) return false;
  const bool read = session_ == nullptr ? TakeAnswer(target) : ReadMessage(target);
  return read && (interception_->Receive(target.view()) || EndRejected());
}

bool ClientCall::TakeAnswer(MessageTarget target) {
  std::deque<std::string>& replies = interception_->answer();
  if (replies.empty()) return false;
  const absl::Status parsed = target.Parse(AsBytes(replies.front()));
  replies.pop_front();
  if (!parsed.ok()) {
    interception_->Reject(absl::InternalError(
        absl::StrCat(method_.method->name, ": an interceptor's answer: ", parsed.message())));
  }
  return parsed.ok();
}

absl::Status ClientCall::FinishIntercepted(absl::Status status) {
  if (status.ok() && !interception_->finished() && !ServerStreams(method_.method->kind)) {
    if (session_ != nullptr || TakeAnswer(expected_)) {
      (void)interception_->Receive(expected_.view());
    } else {
      interception_->Reject(absl::InternalError(absl::StrCat(
          method_.method->name, ": an interceptor answered a call that has one reply with none")));
    }
  }
  return interception_->Finish(std::move(status));
}

}  // namespace nigh
