#ifndef NIGH_RUNTIME_CALL_USED_CONTEXT_H_
#define NIGH_RUNTIME_CALL_USED_CONTEXT_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "nigh/cancellation.h"
#include "nigh/client_context.h"
#include "nigh/deadline.h"
#include "nigh/metadata.h"
#include "nigh/method.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/threads_peer.h"

namespace nigh {

// A caller's context in use by a call: what the call fills in and looks at, made accessible to it.
class UsedContext {
 public:
  // `context` must outlive its use, from Begin to End.
  explicit UsedContext(ClientContext& context) : context_(context) {}
  UsedContext(const UsedContext&) = delete;
  UsedContext& operator=(const UsedContext&) = delete;

  // Takes the context for a call of `method`, which is cancelled with the context's parent from now
  // on. Fails with INTERNAL if the context has served another call.
  absl::Status Begin(const Method& method);
  // Says why the call ends before it is sent, or OK.
  absl::Status Ready(const Method& method) const;
  // Nothing of the context is touched any more.
  void End() {
    CallExtras::DropAttached(context_);
    if (std::exchange(begun_, false)) LeaveParent();
  }

  ClientContext& context() const { return context_; }
  Deadline deadline() const { return context_.deadline_; }
  bool wait_for_ready() const { return context_.wait_for_ready_; }
  Cancellation& cancellation() const { return context_.cancellation_; }
  // The request has been sent. The receiver may have the reply by then.
  void CountAttempt() const { ++context_.attempts_; }
  int attempts() const { return context_.attempts_; }
  const Metadata& sent() const { return context_.sent_; }
  Metadata& initial() const { return context_.initial_; }
  Metadata& trailing() const { return context_.trailing_; }
  void set_peer(const std::shared_ptr<const PeerIdentity>& peer) const {
    context_.peer_ = ThreadsPeer::Take(peer);
  }

 private:
  void LeaveParent();

  ClientContext& context_;
  bool begun_ = false;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_USED_CONTEXT_H_
