#ifndef NIGH_UNARY_H_
#define NIGH_UNARY_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message_lite.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/options.h"
#include "nigh/runtime/client/client_call.h"

namespace nigh::internal {

// What a stub's unary method does: sends `request`, waits, and has `reply` parsed.
absl::Status CallUnary(BoundMethod method, ClientContext& context,
                       const google::protobuf::MessageLite& request,
                       google::protobuf::MessageLite* reply);

// The same, whatever the messages are.
absl::Status CallUnary(BoundMethod method, ClientContext& context, MessageSource request,
                       MessageTarget reply);

template <class Reply>
absl::StatusOr<Reply> CallUnary(BoundMethod method, const google::protobuf::MessageLite& request,
                                const CallOptions& options) {
  ClientContext context(options);
  absl::StatusOr<Reply> reply(absl::in_place);
  const absl::Status status = CallUnary(method, context, request, &*reply);
  if (!status.ok()) return status;
  return reply;
}

}  // namespace nigh::internal

#endif  // NIGH_UNARY_H_
