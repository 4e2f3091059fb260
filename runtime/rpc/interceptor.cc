#include "nigh/interceptor.h"

#include <utility>

#include "absl/functional/any_invocable.h"
#include "nigh/server_call.h"

namespace nigh {

void InterceptedServerCall::AddCancelCallback(absl::AnyInvocable<void()> callback) {
  InterceptedCall::AddCancelCallback(context_.cancellation_, std::move(callback));
  // A deadline that passes counts.
  context_.call_->WatchDeadline();
}

}  // namespace nigh
