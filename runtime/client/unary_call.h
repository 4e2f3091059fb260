#ifndef NIGH_RUNTIME_CLIENT_UNARY_CALL_H_
#define NIGH_RUNTIME_CLIENT_UNARY_CALL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "nigh/cancellation.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/used_context.h"
#include "nigh/runtime/client/client_link.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/client/reply_reader.h"
#include "nigh/runtime/client/slot.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {

// A unary call that its thread waits for. It does what a ClientCall of one message each way does,
// and needs no lock: its state is its thread's alone, and its Slot hands frames over.
//
// It lives on its caller's stack and is used by that thread only.
class UnaryCall {
 public:
  // `context` must outlive the call; `connector`, the method's, too.
  UnaryCall(BoundMethod method, ClientContext& context, MessageTarget reply)
      : method_(method), context_(context), reader_(*method.method, context_), reply_(reply) {}
  UnaryCall(const UnaryCall&) = delete;
  UnaryCall& operator=(const UnaryCall&) = delete;

  // Makes the call. `request` has been measured. Blocks. Returns the call's status.
  absl::Status Run(const MessageSource& request);

  // For the session, while this thread receives.

  // Takes a frame of the call. It may end the call; or break it, so that it is to be given up.
  // `extras` may be null.
  void Take(const ClientLink& link, const FrameHeader& header, ConstByteSpan payload,
            FrameExtras* extras);
  // A payload of `sizes` is longer than is accepted; `last`: it is that of the RESPONSE.
  void Refuse(const ClientLink& link, const PayloadSizes& sizes, bool last);
  bool ended() const { return ended_; }

 private:
  class Wait;

  // Makes the call, on as many sessions as it takes until a handler may have seen it. `alive` keeps
  // the connector.
  void RunOnSessions(Connector& connector, const MessageSource& request,
                     std::shared_ptr<const void>& alive);
  // Whether the call, which is over, is made once more. Waits as long as that takes.
  bool Repeats(Connector& connector);
  // Sends the request. False: the session takes no calls. True: the call may have ended already.
  bool Start(ClientSession& session, const MessageSource& request);
  // Waits for the call's end.
  void Await(ClientSession& session);
  // Takes what another thread has taken for this one, once that thread takes nothing more. `last`:
  // the RESPONSE is among it.
  void TakeOver(const ClientLink& link, bool last);
  void TakeSlowly(const ClientLink& link, const FrameHeader& header, ConstByteSpan payload,
                  FrameExtras* extras);
  // Whether the call is to be given up although its end has not come: for a deadline, a
  // cancellation, a frame that broke it. And why.
  bool IsToBeGivenUp() const {
    return !broken_.ok() || context_.cancellation().requested() ||
           context_.deadline().HasPassed() || slot_->alert.load(std::memory_order_relaxed);
  }
  absl::Status WhyGivenUp(const ClientLink& link) const;
  // Ends the call with `status`, here.
  void End(absl::Status status) {
    status_ = std::move(status);
    ended_ = true;
  }
  // Whether the call is to begin again: the server says that no handler has seen it.
  bool MayBeginAgain(const ClientLink& link);
  void BeginAgain();

  const BoundMethod method_;
  UsedContext context_;
  ReplyReader reader_;
  const MessageTarget reply_;
  Slot* slot_ = nullptr;
  uint64_t ordinal_ = 0;  // of its request on the session
  Cancellation::Id cancel_hook_ = 0;
  bool ended_ = false;
  bool answered_ = false;     // by the server
  bool never_begun_ = false;  // it says so
  int begun_again_ = 0;       // how often
  absl::Status status_;
  absl::Status broken_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_UNARY_CALL_H_
