#ifndef NIGH_SERVER_CONTEXT_H_
#define NIGH_SERVER_CONTEXT_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "nigh/cancellation.h"
#include "nigh/deadline.h"
#include "nigh/metadata.h"
#include "nigh/method.h"
#include "nigh/peer_identity.h"

namespace nigh {

class HandlerCall;

// What a handler knows of the call it serves, and what it can say besides messages. Valid until the
// handler returns. IsCancelled and TryCancel are for any thread; the rest belongs to the handler's.
class ServerContext {
 public:
  // "/package.Service/Method".
  absl::string_view method() const { return method_->name; }

  Deadline deadline() const { return deadline_; }

  // Whether the client no longer waits: it cancelled, its deadline has passed, it is gone, or the
  // server has used up its grace. A handler is never interrupted; a long one should ask now and
  // then.
  bool IsCancelled() const { return cancellation_.requested() || deadline_.HasPassed(); }

  // `callback` runs once when the call is cancelled, as a task of the thread that polls, with no
  // lock held; at once, in this thread, if it has been already. A deadline that passes counts.
  // After the handler's return it does not run any more. The last one set counts.
  void SetCancelCallback(absl::AnyInvocable<void()> callback);

  // Ends the call with CANCELLED, as the client learns at once; what the handler returns does not
  // count any more. Does nothing when the call is over.
  void TryCancel();

  const Metadata& client_metadata() const { return client_metadata_; }

  // Initial metadata goes with the first message or the status, whichever is first; an addition
  // after that is lost. Trailing goes with the status. An illegal key or value fails the call with
  // INTERNAL.
  void AddInitialMetadata(absl::string_view key, absl::string_view value) {
    initial_.Add(key, value);
  }
  void AddTrailingMetadata(absl::string_view key, absl::string_view value) {
    trailing_.Add(key, value);
  }

  // Who calls, from the kernel.
  const PeerIdentity& peer() const { return *peer_; }

 protected:
  // By the runtime, which derives from it what it fills in.
  explicit ServerContext(HandlerCall& call) : call_(call) {}
  ~ServerContext() = default;

  const Method* method_ = nullptr;
  Deadline deadline_;
  Metadata client_metadata_;
  Metadata initial_;
  Metadata trailing_;
  std::shared_ptr<const PeerIdentity> peer_;
  Cancellation cancellation_;
  Cancellation::Id callback_ = 0;

 private:
  friend class ClientContext;
  friend class InterceptedServerCall;

  HandlerCall& call_;
};

}  // namespace nigh

#endif  // NIGH_SERVER_CONTEXT_H_
