#ifndef NIGH_RUNTIME_CALL_CALL_FDS_H_
#define NIGH_RUNTIME_CALL_CALL_FDS_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/fd.h"
#include "nigh/options.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/window.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

using SharedDescriptors = std::shared_ptr<const Descriptors>;

// A context's descriptors, made accessible to its call.
class CallFds {
 public:
  // Whether some go with the message that is sent next.
  static bool HasAttached(const MessageFds& context) { return context.attached_ != nullptr; }
  static SharedDescriptors Attached(const MessageFds& context) { return context.attached_; }
  // Has these counted until they are closed.
  static void CountAttached(MessageFds& context, std::shared_ptr<DescriptorCount> count) {
    context.attached_->CountIn(std::move(count));
  }
  // The same; the message after that begins anew.
  static SharedDescriptors TakeAttached(MessageFds& context) {
    return std::move(context.attached_);
  }
  // A message has been received, with what came with it; null: nothing has.
  static void Receive(MessageFds& context, std::unique_ptr<Descriptors> descriptors) {
    if (descriptors != nullptr || context.received_ != nullptr) {
      context.received_ = std::move(descriptors);
    }
  }
  // The call is over: the caller, or the handler, wants none any more.
  static void DropAttached(MessageFds& context) {
    if (context.attached_ != nullptr) context.attached_.reset();
  }
  static void DropReceived(MessageFds& context) {
    if (context.received_ != nullptr) context.received_.reset();
  }
};

// What a message of `bytes` and `descriptors`, which may be null, is to a Window.
inline size_t SizeInWindow(size_t bytes, const Descriptors* descriptors) {
  return bytes + (descriptors == nullptr ? 0 : descriptors->size() * Window::kDescriptor);
}

// Why the kernel passes it to nobody; empty: it does.
absl::string_view WhyNotPassed(const UniqueFd& fd);

// What comes with a payload besides its bytes.
struct FrameExtras {
  // Holds the payload, and may be taken over; or null.
  std::string* owned = nullptr;
  std::unique_ptr<Descriptors> descriptors = nullptr;
};

// The descriptors of one connection, as its session sees them.
class SessionFds {
 public:
  // `connection` outlives it. `asks`: some method of this side's takes descriptors, which `count`
  // then counts. To be made before the first frame is sent.
  SessionFds(Connection& connection, const Limits& limits, bool asks,
             std::shared_ptr<DescriptorCount> count)
      : lane_(connection.descriptors()),
        limits_(limits),
        accepts_(asks && limits.max_descriptors != 0 && lane_ != nullptr),
        count_(std::move(count)) {
    if (accepts_) lane_->Accept(count_);
  }

  // Whether messages may bring some.
  bool accepts() const { return accepts_; }

  // Why a message with these cannot be sent, or OK. `asked`: its type has a nigh.Fd.
  // INVALID_ARGUMENT, UNIMPLEMENTED, RESOURCE_EXHAUSTED; the message begins with `call`.
  absl::Status CheckToSend(absl::string_view call, const Descriptors& descriptors, bool asked,
                           const Hello& theirs, Peer peer) const;

  // The receiving thread's. Takes what comes with a frame, whose first piece this is. Null: none
  // do. What is too much is refused at once (Descriptors::refusal), for the rest of the message may
  // be long in coming. INTERNAL: what the frame says of them is not so.
  absl::StatusOr<std::unique_ptr<Descriptors>> Take(const FrameHeader& header,
                                                    ConstByteSpan payload, Peer peer) const;
  // Why a call may not have what Take has returned for it, or OK.
  static absl::Status CheckReceived(absl::string_view call, const Descriptors& descriptors,
                                    bool asked);

 private:
  DescriptorLane* const lane_;
  const Limits& limits_;
  const bool accepts_;
  const std::shared_ptr<DescriptorCount> count_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_CALL_FDS_H_
