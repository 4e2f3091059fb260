#include "nigh/client_call.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nigh/call_state.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/client_session.h"
#include "nigh/message_io.h"
#include "nigh/server_context.h"

namespace nigh {

ClientCall::ClientCall(BoundMethod method, ClientContext& context)
    : method_(method), context_(context), state_(method.method->kind, CallState::End::kClient) {}

ClientCall::~ClientCall() {
  // Afterwards the context may be gone.
  if (finished_) return;
  Cancel();
  Unbind();
}

absl::Status ClientCall::ReadyToStart() {
  const auto describe = [&](absl::string_view what) {
    return absl::StrCat(method_.method->name, ": ", what);
  };
  if (std::exchange(context_.used_, true)) {
    return absl::InternalError(describe("this ClientContext has been used for another call"));
  }
  if (!context_.sent_.status().ok()) {
    return absl::InternalError(describe(context_.sent_.status().message()));
  }
  if (context_.cancellation_.requested()) return absl::CancelledError(describe("cancelled"));
  if (context_.deadline_.HasPassed()) {
    return absl::DeadlineExceededError(describe("the deadline passed before the call began"));
  }
  return absl::OkStatus();
}

absl::Status ClientCall::Prepare() {
  if (context_.parent_ != nullptr) {
    parent_hook_ = context_.parent_->cancellation_.Add([this] { context_.TryCancel(); });
  }
  return ReadyToStart();
}

bool ClientCall::StartOn(std::shared_ptr<ClientSession>& session, const MessageSource* first,
                         bool end) {
  if (!session->Start(*this, first, end)) return false;
  session_ = std::move(session);
  // Not earlier: a cancellation must not overtake the request.
  cancel_hook_ = context_.cancellation_.Add([this] { Cancel(); });
  return true;
}

void ClientCall::FailToStart(absl::Status status) {
  status_ = std::move(status);
  state_.Close();
}

void ClientCall::Start(const MessageSource* first, bool end) {
  absl::Status status = Prepare();
  // A callback of the channel's may let go of it.
  std::shared_ptr<Channel> alive;
  while (status.ok()) {
    absl::StatusOr<std::shared_ptr<ClientSession>> session =
        method_.channel->Session(method_, context_);
    if (!session.ok()) {
      status = session.status();
    } else if (StartOn(*session, first, end)) {
      return;
    } else {
      alive = method_.channel->shared_from_this();
      alive->Retire(**session);
    }
  }
  FailToStart(std::move(status));
}

void ClientCall::Unbind() {
  context_.cancellation_.Remove(std::exchange(cancel_hook_, 0));
  if (context_.parent_ != nullptr) {
    context_.parent_->cancellation_.Remove(std::exchange(parent_hook_, 0));
  }
}

bool ClientCall::Write(const MessageSource& message, bool end) {
  return session_ != nullptr && session_->Write(*this, message, end);
}

bool ClientCall::WritesDone() { return session_ != nullptr && session_->WritesDone(*this); }

bool ClientCall::Read(MessageTarget target) {
  return session_ != nullptr && session_->Read(*this, target);
}

void ClientCall::WaitForInitialMetadata() {
  if (session_ != nullptr) session_->WaitForInitialMetadata(*this);
}

absl::Status ClientCall::Finish() {
  absl::Status status = session_ == nullptr ? status_ : session_->Finish(*this);
  Unbind();
  finished_ = true;
  return status;
}

void ClientCall::Cancel() {
  if (session_ != nullptr) Fail(absl::CancelledError("cancelled"));
}

void ClientCall::Fail(const absl::Status& status) {
  absl::Status named(status.code(), absl::StrCat(method_.method->name, ": ", status.message()));
  if (session_ != nullptr) return session_->Cancel(*this, std::move(named));
  FailToStart(std::move(named));
}

}  // namespace nigh
