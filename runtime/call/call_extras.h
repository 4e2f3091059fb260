#ifndef NIGH_RUNTIME_CALL_CALL_EXTRAS_H_
#define NIGH_RUNTIME_CALL_CALL_EXTRAS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/message_extras.h"
#include "nigh/message_io.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_sections.h"
#include "nigh/runtime/call/payload_buffer.h"
#include "nigh/runtime/call/shared_memory.h"
#include "nigh/runtime/call/window.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

class FrameSender;
enum class Sent : uint8_t;

using SharedDescriptors = std::shared_ptr<const Descriptors>;

// An attachment of fewer bytes is copied: that takes less than it takes to keep what it lies in,
// and to give that back.
inline constexpr size_t kLeastInPlace = size_t{16} << 10;

// What goes with one message besides its bytes. What has none of it has no Extras.
struct Extras {
  std::shared_ptr<Descriptors> descriptors = nullptr;  // null: none
  Attachment attachment = {};                          // empty: none

  size_t descriptor_count() const { return descriptors == nullptr ? 0 : descriptors->size(); }
};

using SharedExtras = std::shared_ptr<const Extras>;

// A context's extras, made accessible to its call.
class CallExtras {
 public:
  // Whether some go with the message that is sent next.
  static bool HasAttached(const MessageExtras& context) { return context.attached_ != nullptr; }
  static SharedExtras Attached(const MessageExtras& context) { return context.attached_; }
  // Has its descriptors counted until they are closed.
  static void CountAttached(MessageExtras& context, std::shared_ptr<DescriptorCount> count) {
    if (context.attached_->descriptors == nullptr) return;
    context.attached_->descriptors->CountIn(std::move(count));
  }
  // As Attached; the message after that begins anew.
  static SharedExtras TakeAttached(MessageExtras& context) { return std::move(context.attached_); }
  // A message has been received, with what came with it; null: nothing has.
  static void Receive(MessageExtras& context, std::shared_ptr<Extras> extras) {
    if (extras != nullptr || context.received_ != nullptr) context.received_ = std::move(extras);
  }
  // The call is over: the caller, or the handler, wants none any more.
  static void DropAttached(MessageExtras& context) {
    if (context.attached_ != nullptr) context.attached_.reset();
  }
  static bool HasReceived(const MessageExtras& context) { return context.received_ != nullptr; }
  static void DropReceived(MessageExtras& context) {
    if (context.received_ != nullptr) context.received_.reset();
  }

  // What interceptors see of a message that is sent, or has been received, with this context.
  static MessageView Sent(const MessageExtras& context, MessageView message) {
    if (HasAttached(context)) message.attachment = context.attached_->attachment.size();
    return message;
  }
  static MessageView Received(const MessageExtras& context, MessageView message) {
    message.attachment = context.attachment().size();
    return message;
  }
};

// What a message of `bytes` and `extras`, which may be null, is to a Window.
inline size_t SizeInWindow(size_t bytes, const Extras* extras) {
  if (extras == nullptr) return bytes;
  return bytes + extras->attachment.size() + extras->descriptor_count() * Window::kDescriptor;
}

// Why the kernel passes it to nobody; empty: it does.
absl::string_view WhyNotPassed(const UniqueFd& fd);

// What comes with a payload besides its bytes.
struct FrameExtras {
  // Holds the payload, and may be taken over; or null.
  PayloadBuffer* owned = nullptr;
  // Keeps the payload where it is; or null.
  std::shared_ptr<const void> kept = nullptr;
  std::unique_ptr<Descriptors> descriptors = nullptr;
  Attachment shared = {};                   // that is elsewhere
  absl::Status refused = absl::OkStatus();  // why that is not here
};

// The extras of one connection's messages, as its session sees them.
class SessionExtras {
 public:
  // `connection` outlives it. `asks`: some method of this side's takes descriptors, which `count`
  // then counts. To be made before the first frame is sent.
  SessionExtras(Connection& connection, const Limits& limits, bool asks,
                std::shared_ptr<DescriptorCount> count)
      : connection_(connection),
        lane_(connection.descriptors()),
        limits_(limits),
        accepts_(asks && limits.max_descriptors != 0 && lane_ != nullptr),
        count_(std::move(count)),
        borrowed_(lane_ == nullptr ? nullptr : MakeBorrowed(limits, connection.peer())) {
    if (accepts_ || borrowed_ != nullptr) lane_->Accept(count_);
  }

  // Whether messages may bring descriptors.
  bool accepts_descriptors() const { return accepts_; }

  // Memory for an attachment of `size` bytes, as Channel::AllocateAttachment says, for an end that
  // has said `theirs`. The error begins with `call`.
  static absl::StatusOr<AttachmentBuffer> Allocate(absl::string_view call, size_t size,
                                                   const Hello& theirs, Peer peer,
                                                   FrameSender& sender);
  // Why a message of `bytes` with these cannot be sent, or OK. `asked`: its type has a nigh.Fd.
  // INVALID_ARGUMENT, UNIMPLEMENTED, RESOURCE_EXHAUSTED; the message begins with `call`.
  absl::Status CheckToSend(absl::string_view call, size_t bytes, const Extras& extras, bool asked,
                           const Hello& theirs, Peer peer) const;

  // The receiving thread's. Takes what comes with a frame, whose first piece this is: descriptors,
  // a part of shared memory. What is too much is refused at once (Descriptors::refusal), for the
  // rest of the message may be long in coming. What is not taken over in its turn goes back.
  // INTERNAL: what the frame says of them is not so.
  absl::StatusOr<FrameExtras> Take(const FrameHeader& header, ConstByteSpan payload,
                                   Peer peer) const;
  // What a call gets of what has come with a message, in `payload` and `frame`. Fails where it may
  // not have the descriptors, `asked` as above, or where shared memory is not what was said. Null:
  // there is nothing. The receiving thread's, unless the payload is owned or kept.
  absl::StatusOr<std::shared_ptr<Extras>> Receive(const PayloadParts& payload, FrameExtras& frame,
                                                  bool asked) const;

  // Whether MEMORY frames may come; and they do if the other end says the same.
  bool shares_memory() const { return borrowed_ != nullptr; }
  // Once the other end has said so: from now on this one shares memory with it.
  Sent BeginToShare(FrameSender& sender) const;
  // The receiving thread's. Takes a MEMORY frame. INTERNAL: it breaks the protocol.
  // RESOURCE_EXHAUSTED: this process has no room for it.
  absl::Status TakeMemory(const FrameHeader& header, FrameSender& sender) const;

 private:
  absl::Status CheckDescriptors(absl::string_view call, const Descriptors& descriptors, bool asked,
                                const Hello& theirs, Peer peer) const;
  absl::StatusOr<std::unique_ptr<Descriptors>> TakeDescriptors(const FrameHeader& header,
                                                               uint32_t count, Peer peer) const;
  // Null: this side maps none.
  static std::unique_ptr<BorrowedMemories> MakeBorrowed(const Limits& limits,
                                                        const PeerIdentity& owner);
  // Keeps an attachment.
  Attachment Keep(ConstByteSpan attachment, FrameExtras& frame) const;

  Connection& connection_;
  DescriptorLane* const lane_;
  const Limits& limits_;
  const bool accepts_;
  const std::shared_ptr<DescriptorCount> count_;
  const std::unique_ptr<BorrowedMemories> borrowed_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_CALL_EXTRAS_H_
