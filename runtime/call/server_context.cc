#include "nigh/server_context.h"

#include <cstddef>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/interceptor.h"
#include "nigh/message_extras.h"
#include "nigh/server_stream.h"

namespace nigh {

void ServerContext::TryCancel() {
  call_.Abort(absl::CancelledError(absl::StrCat(method(), ": cancelled by the server")));
}

void ServerContext::SetCancelCallback(absl::AnyInvocable<void()> callback) {
  cancellation_.Remove(std::exchange(callback_, 0));
  callback_ = cancellation_.Add(std::move(callback));
  // A handler that asks sees by itself that the deadline has passed. One that wants to be told
  // needs a timer.
  if (callback_ != 0 && !deadline_.is_infinite()) call_.WatchDeadline();
}

absl::StatusOr<AttachmentBuffer> ServerContext::AllocateAttachment(size_t size) {
  return call_.AllocateAttachment(size);
}

void InterceptedServerCall::AddCancelCallback(absl::AnyInvocable<void()> callback) {
  InterceptedCall::AddCancelCallback(context_.cancellation_, std::move(callback));
  // A deadline that passes counts as a cancellation.
  context_.call_.WatchDeadline();
}

}  // namespace nigh
