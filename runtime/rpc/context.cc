#include <algorithm>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nigh/base/deadline.h"
#include "nigh/client_context.h"
#include "nigh/server_call.h"
#include "nigh/server_context.h"
#include "nigh/server_session.h"
#include "nigh/transport/connection.h"

namespace nigh {

ClientContext::ClientContext(const CallOptions& options)
    : deadline_(Deadline::After(options.timeout)), wait_for_ready_(options.wait_for_ready) {
  if (options.metadata != nullptr) sent_ = *options.metadata;
}

ClientContext::ClientContext(ServerContext& parent)
    : limit_(parent.deadline()), deadline_(limit_), parent_(&parent) {}

void ClientContext::set_deadline(absl::Time deadline) {
  deadline_ = std::min(limit_, Deadline::At(deadline));
}

void ClientContext::set_timeout(absl::Duration timeout) {
  deadline_ = std::min(limit_, Deadline::After(timeout));
}

const PeerIdentity& ClientContext::peer() const {
  static const PeerIdentity& nobody = *new PeerIdentity();
  return peer_ == nullptr ? nobody : *peer_;
}

void ServerContext::TryCancel() {
  call_->session().Abort(*call_,
                         absl::CancelledError(absl::StrCat(method(), ": cancelled by the server")));
}

void ServerContext::SetCancelCallback(absl::AnyInvocable<void()> callback) {
  cancellation_.Remove(std::exchange(callback_, 0));
  callback_ = cancellation_.Add(std::move(callback));
  // Those who ask see a deadline pass by themselves; those who want to be told need a timer.
  if (callback_ != 0 && !deadline_.is_infinite()) call_->WatchDeadline();
}

}  // namespace nigh
