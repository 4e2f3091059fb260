#ifndef NIGH_RUNTIME_CLIENT_REPLY_READER_H_
#define NIGH_RUNTIME_CLIENT_REPLY_READER_H_

#include <cstddef>
#include <memory>

#include "absl/status/status.h"
#include "nigh/method.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/used_context.h"
#include "nigh/runtime/client/client_link.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"

namespace nigh {

// A frame of a server's reply, read.
struct Reply {
  bool ends = false;         // it is the RESPONSE
  bool has_message = false;  // `message` is to be delivered
  ConstByteSpan message;
  std::shared_ptr<Extras> extras;  // that came with it; or null
  absl::Status status;  // what the call ends with; if it does not end, what is wrong, or OK
};

// Reads what the server says of one call, frame by frame: metadata, messages as far as there may be
// any, the status. It knows what is allowed in which order. Calls of every kind use it.
class ReplyReader {
 public:
  ReplyReader(const Method& method, const UsedContext& context)
      : method_(method), context_(context) {}

  // Metadata goes to the context, and `payload` must stay while the Reply is used, in which case
  // the Reply may keep it. Takes what it needs out of `extras`, which is null for a frame without
  // sections.
  Reply Read(const ClientLink& link, const FrameHeader& header, ConstByteSpan payload,
             FrameExtras* extras);

  bool got_initial_metadata() const { return got_initial_metadata_; }
  bool got_message() const { return got_message_; }

  // Forgets it all: the call begins again.
  void Reset();

 private:
  // What is wrong with a frame that has a payload of `sizes`, or OK.
  absl::Status Check(const Reply& reply, const PayloadSizes& sizes, const Limits& limits,
                     bool late_metadata) const;

  const Method& method_;
  const UsedContext& context_;
  bool got_initial_metadata_ = false;
  bool got_message_ = false;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_REPLY_READER_H_
