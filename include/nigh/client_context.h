#ifndef NIGH_CLIENT_CONTEXT_H_
#define NIGH_CLIENT_CONTEXT_H_

#include <memory>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/cancellation.h"
#include "nigh/deadline.h"
#include "nigh/metadata.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"

namespace nigh {

class ServerContext;

// Everything about one call that its client may want to say or hear. For one call only, and it must
// outlive that call: the stub's method returning, for a stream the stream object.
//
// Set what is to be set before the call begins. TryCancel may be called by any thread at any time;
// the rest belongs to the thread that makes the call.
class ClientContext {
 public:
  ClientContext() = default;
  explicit ClientContext(const CallOptions& options);

  // A call made on behalf of the call that `parent` is being served for: its deadline is the
  // earlier of the two, and it is cancelled when the parent is. Metadata is not forwarded. `parent`
  // must outlive the call.
  explicit ClientContext(ServerContext& parent);

  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;

  // The last of these two counts; neither can extend a parent's deadline. Without, the call has
  // forever.
  void set_deadline(absl::Time deadline);
  void set_timeout(absl::Duration timeout);
  Deadline deadline() const { return deadline_; }

  // Wait for the server to come up instead of failing with UNAVAILABLE. The default is not to.
  void set_wait_for_ready(bool wait) { wait_for_ready_ = wait; }
  bool wait_for_ready() const { return wait_for_ready_; }

  // Sent with the request. An illegal key or value fails the call with INTERNAL.
  void AddMetadata(absl::string_view key, absl::string_view value) { sent_.Add(key, value); }
  const Metadata& sent_metadata() const { return sent_; }

  // Ends the call with CANCELLED, now or as soon as it begins. Has no effect on a call that is
  // over.
  void TryCancel() { cancellation_.Request(); }

  // From the server. Initial: once a message or the end of the call has been received, or after
  // WaitForInitialMetadata of a stream. Trailing: once the call is over.
  const Metadata& initial_metadata() const { return initial_; }
  const Metadata& trailing_metadata() const { return trailing_; }

  // Who serves the call, from the kernel; known once the call has begun.
  const PeerIdentity& peer() const;

 private:
  friend class AsyncClientCall;
  friend class Connector;
  friend class ClientCall;
  friend class ClientSession;
  friend class InterceptedClientCall;

  // Is cancelled with the parent, if there is one, from Follow to Leave.
  void FollowParent();
  void LeaveParent();

  const Deadline limit_ = Deadline::Infinite();  // the parent's
  Deadline deadline_ = limit_;
  bool wait_for_ready_ = false;
  bool used_ = false;
  Metadata sent_;
  Metadata initial_;
  Metadata trailing_;
  ServerContext* parent_ = nullptr;
  Cancellation::Id parent_hook_ = 0;
  Cancellation cancellation_;
  std::shared_ptr<const PeerIdentity> peer_;
};

}  // namespace nigh

#endif  // NIGH_CLIENT_CONTEXT_H_
