#ifndef NIGH_CLIENT_CONTEXT_H_
#define NIGH_CLIENT_CONTEXT_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/api.h"
#include "nigh/cancellation.h"
#include "nigh/deadline.h"
#include "nigh/message_extras.h"
#include "nigh/metadata.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"

namespace nigh {

class ServerContext;

// Everything that the client of one call can set and learn. A context serves one call and must
// outlive it. A unary call ends when the stub's method returns or has called back; a streaming call
// ends with its stream object.
//
// Set what is to be set before the call begins. Any thread may call TryCancel at any time.
// Everything else belongs to the thread that makes the call. MessageExtras says how attachments and
// descriptors go with messages.
class NIGH_API ClientContext : public MessageExtras {
 public:
  ClientContext() = default;
  explicit ClientContext(const CallOptions& options);

  // For a call made while serving another call, whose context is `parent`. The deadline is the
  // earlier of the two calls' deadlines. When the parent is cancelled, so is this call. Metadata is
  // not forwarded. `parent` must outlive the call.
  explicit ClientContext(ServerContext& parent);
  ~ClientContext();

  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;

  // The function that is called last counts. Neither can extend the parent's deadline. The default
  // is no deadline.
  void set_deadline(absl::Time deadline);
  void set_timeout(absl::Duration timeout);
  Deadline deadline() const { return deadline_; }

  // Whether the call waits for the server to come up instead of failing with UNAVAILABLE. The
  // default is not to wait.
  void set_wait_for_ready(bool wait) { wait_for_ready_ = wait; }
  bool wait_for_ready() const { return wait_for_ready_; }

  // Adds metadata to send with the request. An illegal key or value fails the call with INTERNAL.
  void AddMetadata(absl::string_view key, absl::string_view value) { sent_.Add(key, value); }
  const Metadata& sent_metadata() const { return sent_; }

  // Ends the call with CANCELLED: now, or as soon as it begins. Has no effect on a call that is
  // over.
  void TryCancel() { cancellation_.Request(); }

  // What the server sent. Initial metadata is valid once a message or the end of the call has been
  // received, or a stream's WaitForInitialMetadata has returned. Trailing metadata is valid once
  // the call is over.
  const Metadata& initial_metadata() const { return initial_; }
  const Metadata& trailing_metadata() const { return trailing_; }

  // How often the request has been sent: more than once, if the server went away before a handler
  // had seen it, or if the channel has repeated the call (ChannelOptions::retry). Valid once the
  // call is over; interceptors find it in OnFinish.
  int attempts() const { return attempts_; }

  // Who serves the call, as the kernel tells. Valid once anything of the reply has come, or the
  // call is over: before, it may begin anew with another server.
  const PeerIdentity& peer() const;

 private:
  friend class InterceptedClientCall;
  friend class UsedContext;

  const Deadline limit_ = Deadline::Infinite();  // the parent's
  Deadline deadline_ = limit_;
  bool wait_for_ready_ = false;
  bool used_ = false;
  int attempts_ = 0;
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
