#include "nigh/message_io.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nigh/runtime/call/invalid_text.h"
#include "nigh/runtime/call/protobuf_log.h"
#include "nigh/transport/bytes.h"

namespace nigh {

absl::Status MessageSource::Measure() {
  if (message_ == nullptr) return absl::OkStatus();
  if (!message_->IsInitialized()) {
    return absl::InternalError(
        absl::StrCat(message_->GetTypeName(),
                     ": required fields are not set: ", message_->InitializationErrorString()));
  }
  size_ = message_->ByteSizeLong();
  if (size_ > std::numeric_limits<int32_t>::max()) {
    return absl::InternalError(absl::StrCat(message_->GetTypeName(), ": a message of ", size_,
                                            " bytes is larger than protobuf can serialise"));
  }
  return absl::OkStatus();
}

void MessageSource::SerializeTo(std::byte* to) const {
  if (message_ != nullptr) {
    const QuietProtobuf quiet;
    message_->SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(to));
  } else if (!bytes_.empty()) {
    std::memcpy(to, bytes_.data(), bytes_.size());
  }
}

void MessageSource::SerializeTo(google::protobuf::io::ZeroCopyOutputStream& to) const {
  const QuietProtobuf quiet;
  message_->SerializePartialToZeroCopyStream(&to);
}

absl::Status MessageTarget::Parse(ConstByteSpan bytes) const {
  if (bytes_ != nullptr) {
    bytes_->assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return absl::OkStatus();
  }
  // The full parser would write a missing required field to the process's log. The partial one does
  // not; the caller gets a status instead.
  const QuietProtobuf quiet;
  if (message_->ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size())) &&
      message_->IsInitialized()) {
    return absl::OkStatus();
  }
  const std::string text = DescribeInvalidText(*message_, bytes);
  return absl::InternalError(absl::StrCat("a message of ", bytes.size(), " bytes is no valid ",
                                          message_->GetTypeName(), text.empty() ? "" : ": ", text));
}

}  // namespace nigh
