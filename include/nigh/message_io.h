#ifndef NIGH_MESSAGE_IO_H_
#define NIGH_MESSAGE_IO_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/io/zero_copy_stream.h"
#include "google/protobuf/message_lite.h"
#include "nigh/api.h"
#include "nigh/transport/bytes.h"

namespace nigh {

// A message to look at: a protobuf message, or null and the bytes of one.
struct MessageView {
  const google::protobuf::MessageLite* message = nullptr;
  absl::string_view bytes = {};
  size_t attachment = 0;  // bytes of the attachment that goes with it (nigh/message_extras.h)
};

// A message to send. It is a protobuf message, which is serialised straight into the connection's
// memory, or bytes that somebody else has serialised. This is a view: what it points to must
// outlive it.
class NIGH_API MessageSource {
 public:
  explicit MessageSource(const google::protobuf::MessageLite& message) : message_(&message) {}
  explicit MessageSource(absl::string_view bytes) : bytes_(bytes), size_(bytes.size()) {}

  // Measures a protobuf message; must be called before the functions below. INTERNAL: a required
  // field is missing, or the message is larger than protobuf allows (2 GiB).
  absl::Status Measure();

  size_t size() const { return size_; }
  MessageView view() const { return {.message = message_, .bytes = bytes_}; }

  // Writes size() bytes. Strings that are not UTF-8 are written as they are, which the receiver
  // refuses.
  void SerializeTo(std::byte* to) const;
  // The same into memory that comes in parts. Only for a protobuf message.
  void SerializeTo(google::protobuf::io::ZeroCopyOutputStream& to) const;

 private:
  const google::protobuf::MessageLite* message_ = nullptr;
  absl::string_view bytes_;
  size_t size_ = 0;
};

// Where a received message goes. It is a protobuf message, which is parsed in place from the
// connection's memory, or a string that takes the bytes. This is a view, as above.
class NIGH_API MessageTarget {
 public:
  MessageTarget() = default;
  explicit MessageTarget(google::protobuf::MessageLite* message) : message_(message) {}
  explicit MessageTarget(std::string* bytes) : bytes_(bytes) {}

  explicit operator bool() const { return message_ != nullptr || bytes_ != nullptr; }

  // Fills the target. INTERNAL: the bytes are not such a message; a string that is not UTF-8 is
  // named.
  absl::Status Parse(ConstByteSpan bytes) const;

  // What the target holds now.
  MessageView view() const {
    return {.message = message_,
            .bytes = bytes_ == nullptr ? absl::string_view() : absl::string_view(*bytes_)};
  }

 private:
  google::protobuf::MessageLite* message_ = nullptr;
  std::string* bytes_ = nullptr;
};

}  // namespace nigh

#endif  // NIGH_MESSAGE_IO_H_
