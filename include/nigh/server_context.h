#ifndef NIGH_SERVER_CONTEXT_H_
#define NIGH_SERVER_CONTEXT_H_

#include <cstddef>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/api.h"
#include "nigh/cancellation.h"
#include "nigh/deadline.h"
#include "nigh/message_extras.h"
#include "nigh/metadata.h"
#include "nigh/method.h"
#include "nigh/peer_identity.h"

namespace nigh {

class HandlerCall;

// What a handler knows of the call that it serves, and what it can send besides messages. Valid
// until the handler returns. Any thread may call IsCancelled and TryCancel; everything else belongs
// to the handler's thread. MessageExtras says how attachments and descriptors go with messages.
class NIGH_API ServerContext : public MessageExtras {
 public:
  // "/package.Service/Method".
  absl::string_view method() const { return method_->name; }

  Deadline deadline() const { return deadline_; }

  // Whether the call is cancelled: the client cancelled it, its deadline has passed, the client is
  // gone, or the server has used up its grace. Nothing interrupts a handler, so a long one should
  // ask from time to time.
  bool IsCancelled() const { return cancellation_.requested() || deadline_.HasPassed(); }

  // `callback` runs once when the call is cancelled; a deadline that passes counts. It runs as a
  // task of the thread that polls, with no lock held. If the call is cancelled already, it runs at
  // once, in this thread. It does not run after the handler has returned. A second callback
  // replaces the first.
  void SetCancelCallback(absl::AnyInvocable<void()> callback);

  // Ends the call with CANCELLED. The client learns it at once, and what the handler returns no
  // longer counts. Has no effect on a call that is over.
  void TryCancel();

  // The metadata that the client sent with the request.
  const Metadata& client_metadata() const { return client_metadata_; }

  // Initial metadata goes with the first message or with the status, whichever is first; what is
  // added later is lost. Trailing metadata goes with the status. An illegal key or value fails the
  // call with INTERNAL.
  void AddInitialMetadata(absl::string_view key, absl::string_view value) {
    initial_.Add(key, value);
  }
  void AddTrailingMetadata(absl::string_view key, absl::string_view value) {
    trailing_.Add(key, value);
  }

  // Memory for an attachment of `size` bytes, in which the client reads it, where the two share
  // memory; as Channel::AllocateAttachment says. RESOURCE_EXHAUSTED: the shared memory is full, or
  // the client does not accept as much. UNIMPLEMENTED: it accepts none.
  absl::StatusOr<AttachmentBuffer> AllocateAttachment(size_t size);

  // Who calls, as the kernel tells.
  const PeerIdentity& peer() const { return *peer_; }

 protected:
  // For the runtime, which derives from this class to fill it in.
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
  friend class UsedContext;
  friend class InterceptedServerCall;

  HandlerCall& call_;
};

}  // namespace nigh

#endif  // NIGH_SERVER_CONTEXT_H_
