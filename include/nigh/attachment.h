#ifndef NIGH_ATTACHMENT_H_
#define NIGH_ATTACHMENT_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/strings/string_view.h"
#include "nigh/transport/bytes.h"

namespace nigh {

// Memory for an attachment, to be filled and then sent: Channel::AllocateAttachment and
// ServerContext::AllocateAttachment give it where it can be sent from without a copy. It stays
// for as long as there is a handle to it, whatever becomes of the channel.
//
//   absl::StatusOr<nigh::AttachmentBuffer> pixels = channel->AllocateAttachment(size);
//   if (!pixels.ok()) return pixels.status();
//   camera.Grab(pixels->bytes());
//   context.SetAttachment(*std::move(pixels));
class AttachmentBuffer {
 public:
  // Plain memory of this process, of so many bytes, which are not set.
  explicit AttachmentBuffer(size_t size);
  // `owner` keeps `bytes`.
  AttachmentBuffer(ByteSpan bytes, std::shared_ptr<const void> owner)
      : bytes_(bytes), owner_(std::move(owner)) {}
  AttachmentBuffer(AttachmentBuffer&& other) noexcept
      : bytes_(std::exchange(other.bytes_, {})), owner_(std::move(other.owner_)) {}
  AttachmentBuffer& operator=(AttachmentBuffer&& other) noexcept {
    bytes_ = std::exchange(other.bytes_, {});
    owner_ = std::move(other.owner_);
    return *this;
  }

  ByteSpan bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }

 private:
  friend class Attachment;

  ByteSpan bytes_;
  std::shared_ptr<const void> owner_;
};

// Bytes that travel beside a message, which protobuf never sees: a frame of a camera, a file, a
// tensor. They do not change. A copy is another handle to the same bytes, which stay for as long as
// there is one, whatever becomes of the call, the context and the channel. An attachment that has
// been received can be sent on as it is.
//
// The idea is that of Apache brpc's attachments.
//
// Different handles to the same bytes may be used by different threads.
class Attachment {
 public:
  // None.
  Attachment() = default;
  // `owner` keeps `bytes`, which must not change any more.
  Attachment(ConstByteSpan bytes, std::shared_ptr<const void> owner)
      : bytes_(bytes), owner_(std::move(owner)) {}
  // A copy of `bytes`.
  static Attachment Copy(ConstByteSpan bytes);
  static Attachment Copy(absl::string_view text) { return Copy(AsBytes(text)); }

  // What the buffer has been filled with.
  Attachment(AttachmentBuffer buffer)  // NOLINT(google-explicit-constructor): it becomes one
      : bytes_(buffer.bytes_), owner_(std::move(buffer.owner_)) {}

  ConstByteSpan bytes() const { return bytes_; }
  absl::string_view text() const { return AsText(bytes_); }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

 private:
  ConstByteSpan bytes_;
  std::shared_ptr<const void> owner_;
};

}  // namespace nigh

#endif  // NIGH_ATTACHMENT_H_
