#include "nigh/runtime/client/client_call.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
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
    : ClientCall(method, context, [this] { OpenOnSome(); }) {}

ClientCall::ClientCall(BoundMethod method, ClientContext& context, ClientExchange::Opener opener)
    : method_(method),
      context_(context),
      exchange_(
          *method.method, context_,
          [this](const ClientExchange::End& end) { return PauseBeforeNextBegin(end); },
          std::move(opener)) {}

ClientCall::~ClientCall() {
  // A call that is finished must not touch its context, which may be gone by now; and in a child of
  // fork(2), it is the parent's call.
  if (is_of_this_process() && !finished_) Drop();
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

std::optional<absl::Status> ClientCall::EndBeforeSession(const MessageSource* first) {
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
  if (absl::Status status = method_.connector->Check(method_); !status.ok()) return status;
  return std::nullopt;
}

bool ClientCall::Prepare(const MessageSource* first) {
  std::optional<absl::Status> end = EndBeforeSession(first);
  started_ = !end.has_value();
  if (!started_) exchange_.Settle(*std::move(end));
  return started_;
}

void ClientCall::Start(const MessageSource* first, bool end) {
  if (!Prepare(first)) return;
  exchange_.Begin(first, end, /*lasts=*/method_.method->kind == MethodKind::kUnary);
  exchange_.AwaitSession();
  // Not before: a cancellation ends the wait for a session with a status that says more.
  WatchCancellation();
}

void ClientCall::OpenOnSome() {
  const ClientExchange::Beginning beginning = exchange_.beginning();
  Connector& connector = *method_.connector;
  if (beginning.refused_by != nullptr) connector.Retire(*beginning.refused_by);
  if (!Retry::Pause(context_, beginning.pause)) return exchange_.Settle(beginning.lost_by);
  for (;;) {
    absl::StatusOr<std::shared_ptr<ClientSession>> session =
        connector.Session(method_, context_, patience());
    if (!session.ok()) return exchange_.Settle(session.status());
    if (exchange_.Open(*session, method_.id)) return;
    connector.Retire(**session);
  }
}

void ClientCall::WatchCancellation() {
  cancel_hook_ = context_.cancellation().Add([this] { Cancel(); });
}

absl::Duration ClientCall::patience() const {
  return context_.attempts() > 0 ? Connector::kComeback : absl::ZeroDuration();
}

std::optional<absl::Duration> ClientCall::PauseBeforeNextBegin(const ClientExchange::End& end) {
  if (end.never_begun && end.may_reopen && begun_again_ < Retry::kMostBegins) {
    ++begun_again_;
    return absl::ZeroDuration();
  }
  const std::optional<absl::Duration> pause = method_.connector->retry().Next(
      *method_.method, end.may_reopen ? context_.attempts() : Retry::kNoMore, end.status,
      end.answered);
  if (pause.has_value() && !(Deadline::After(*pause) < context_.deadline())) return std::nullopt;
  return pause;
}

void ClientCall::Unbind() {
  if (const Cancellation::Id hook = std::exchange(cancel_hook_, 0); hook != 0) {
    context_.cancellation().Remove(hook);
  }
  context_.End();
}

bool ClientCall::Write(const MessageSource& message, bool end) {
  return started_ && PassSend(message) && exchange_.Write(message, end);
}

std::optional<bool> ClientCall::TryWrite(const MessageSource& message, bool end) {
  if (!started_) return false;
  if (interception_ != nullptr && !send_seen_) {
    // Interceptors see a message once, when it can be written: not at an attempt that has to wait.
    if (!exchange_.Ready(CallEvent::kRoom)) return std::nullopt;
    if (!PassSend(message)) return false;
  }
  const std::optional<bool> written = exchange_.TryWrite(message, end);
  send_seen_ = !written.has_value();
  return written;
}

bool ClientCall::WritesDone() { return exchange_.WritesDone(); }

bool ClientCall::Read(MessageTarget target) {
  return interception_ != nullptr ? ReadIntercepted(target) : exchange_.Read(target);
}

void ClientCall::WaitForInitialMetadata() { exchange_.WaitForInitialMetadata(); }

absl::Status ClientCall::Finish() {
  absl::Status status = exchange_.Finish();
  if (interception_ != nullptr) status = FinishIntercepted(std::move(status));
  Unbind();
  finished_ = true;
  return status;
}

void ClientCall::Cancel() {
  (void)exchange_.Cancel(Prefixed(method_.method->name, absl::CancelledError("cancelled")));
}

void ClientCall::Fail(const absl::Status& status) {
  absl::Status named = Prefixed(method_.method->name, status);
  started_ ? EndWith(std::move(named)) : exchange_.Settle(std::move(named));
}

void ClientCall::EndWith(absl::Status status) {
  // A thread that opens the call hears of it from the context.
  if (!exchange_.Cancel(std::move(status))) context_.cancellation().Request();
}

bool ClientCall::PassSend(const MessageSource& message) {
  return interception_ == nullptr ||
         interception_->Send(CallExtras::Sent(context_.context(), message.view())) || EndRejected();
}

bool ClientCall::EndRejected() {
  if (started_) EndWith(interception_->rejection());
  return false;
}

bool ClientCall::ReadIntercepted(MessageTarget target) {
  if (!interception_->rejection().ok()) return false;
  const bool read = started_ ? exchange_.Read(target) : TakeAnswer(target);
  return read && (interception_->Receive(CallExtras::Received(context_.context(), target.view())) ||
                  EndRejected());
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
    if (started_ || TakeAnswer(expected_)) {
      (void)interception_->Receive(CallExtras::Received(context_.context(), expected_.view()));
    } else {
      interception_->Reject(absl::InternalError(absl::StrCat(
          method_.method->name, ": an interceptor answered a call that has one reply with none")));
    }
  }
  return interception_->Finish(std::move(status));
}

}  // namespace nigh
