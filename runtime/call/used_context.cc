#include "nigh/runtime/call/used_context.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nigh/method.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/server_context.h"

namespace nigh {

absl::Status UsedContext::Begin(const Method& method) {
  if (std::exchange(context_.used_, true)) {
    return absl::InternalError(
        absl::StrCat(method.name, ": this ClientContext has been used for another call"));
  }
  begun_ = true;
  if (context_.parent_ != nullptr) {
    context_.parent_hook_ =
        context_.parent_->cancellation_.Add([context = &context_] { context->TryCancel(); });
  }
  return absl::OkStatus();
}

absl::Status UsedContext::Ready(const Method& method) const {
  const absl::Status& sent = context_.sent_.status();
  if (!sent.ok()) return Prefixed(method.name, sent);
  if (cancellation().requested()) {
    return absl::CancelledError(absl::StrCat(method.name, ": cancelled"));
  }
  if (deadline().HasPassed()) {
    return absl::DeadlineExceededError(
        absl::StrCat(method.name, ": the deadline passed before the call began"));
  }
  return absl::OkStatus();
}

void UsedContext::LeaveParent() {
  if (context_.parent_ == nullptr) return;
  context_.parent_->cancellation_.Remove(std::exchange(context_.parent_hook_, 0));
}

}  // namespace nigh
