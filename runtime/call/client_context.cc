#include "nigh/client_context.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/call/threads_peer.h"
#include "nigh/server_context.h"

namespace nigh {

ClientContext::ClientContext(const CallOptions& options)
    : deadline_(Deadline::After(options.timeout)), wait_for_ready_(options.wait_for_ready) {
  if (options.metadata != nullptr) sent_ = *options.metadata;
}

ClientContext::ClientContext(ServerContext& parent)
    : limit_(parent.deadline()), deadline_(limit_), parent_(&parent) {}

ClientContext::~ClientContext() {
  if (peer_ != nullptr) ThreadsPeer::GiveBack(std::move(peer_));
}

void ClientContext::set_deadline(absl::Time deadline) {
  deadline_ = std::min(limit_, Deadline::At(deadline));
}

void ClientContext::set_timeout(absl::Duration timeout) {
  deadline_ = std::min(limit_, Deadline::After(timeout));
}

const PeerIdentity& ClientContext::peer() const {
  // Never destroyed: a context may be asked while static objects are.
  static const PeerIdentity& nobody = *new PeerIdentity();
  return peer_ == nullptr ? nobody : *peer_;
}

}  // namespace nigh
