#ifndef NIGH_RUNTIME_CLIENT_UNARY_CALL_H_
#define NIGH_RUNTIME_CLIENT_UNARY_CALL_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "nigh/cancellation.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/runtime/client/slot.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {

class ClientSession;

// A unary call that its thread waits for. It does what a ClientCall of one message each way does,
// and needs no lock: its state is its thread's alone, and its Slot hands frames over.
//
// It lives on its caller's stack and is used by that thread only.
class UnaryCall {
 public:
  // `context` must outlive the call; `connector`, the method's, too.
  UnaryCall(BoundMethod method, ClientContext& context, MessageTarget reply)
      : method_(method), context_(context), reply_(reply) {}
  UnaryCall(const UnaryCall&) = delete;
  UnaryCall& operator=(const UnaryCall&) = delete;

  // Makes the call. `request` has been measured. Blocks. Returns the call's status.
  absl::Status Run(const MessageSource& request);

  // What follows is for the session.

  const BoundMethod& method() const { return method_; }
  ClientContext& context() { return context_; }

  // The request has left, or will, by `slot`, as the session's `ordinal`th.
  void Open(Slot& slot, uint64_t ordinal) {
    slot_ = &slot;
    ordinal_ = ordinal;
  }
  Slot& slot() const { return *slot_; }

  // Ends the call with `status`, here.
  void End(absl::Status status) {
    status_ = std::move(status);
    ended_ = true;
  }
  // Takes a frame of the call. It may end the call; or break it, so that it is to be given up.
  void Take(const ClientSession& session, const FrameHeader& header, ConstByteSpan payload);
  // A message of `size` bytes is longer than is accepted; `last`: it is that of the RESPONSE.
  void Refuse(const ClientSession& session, size_t size, bool last);

  bool ended() const { return ended_; }

 private:
  // Returns a status if the call has ended before it began.
  std::optional<absl::Status> Prepare();
  // Whether the call may begin again: the server says that it has not acted upon it, for the first
  // time.
  bool MayBeginAgain(const ClientSession& session);
  void BeginAgain();
  // Waits for the call's end, leading or following.
  void Await(ClientSession& session);
  // The parts of Await. Each returns when the call is over, lost or to be given up, Follow also
  // when nobody pumps. TakeOver takes what another thread has taken for this one, once that thread
  // takes nothing more. `last`: the RESPONSE is among it.
  void Lead(ClientSession& session);
  void Follow(ClientSession& session);
  void TakeOver(const ClientSession& session, bool last);
  // False: the end has come meanwhile.
  bool GiveUp(ClientSession& session);
  // Whether the call is to be given up although its end has not come: for a deadline, a
  // cancellation, a frame that broke it. And why.
  bool IsToBeGivenUp() const {
    return !broken_.ok() || context_.cancellation_.requested() || context_.deadline_.HasPassed() ||
           slot_->alert.load(std::memory_order_relaxed);
  }
  absl::Status WhyGivenUp(const ClientSession& session) const;
  // Has a cancellation wake this thread from its sleep in `session`.
  void WakeOnCancel(ClientSession& session);
  void TakeSlowly(const ClientSession& session, const FrameHeader& header, ConstByteSpan payload);

  const BoundMethod method_;
  ClientContext& context_;
  const MessageTarget reply_;
  Slot* slot_ = nullptr;
  uint64_t ordinal_ = 0;
  Cancellation::Id cancel_hook_ = 0;
  bool ended_ = false;
  bool again_ = false;  // it has begun for the second time
  bool got_initial_metadata_ = false;
  bool got_message_ = false;
  absl::Status status_;
  absl::Status broken_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_UNARY_CALL_H_
