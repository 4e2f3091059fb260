#ifndef NIGH_ATTACHMENT_H_
#define NIGH_ATTACHMENT_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/strings/string_view.h"
#include "nigh/transport/bytes.h"

namespace nigh {

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
