#ifndef NIGH_RUNTIME_CLIENT_UNARY_H_
#define NIGH_RUNTIME_CLIENT_UNARY_H_

#include "absl/status/status.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/method.h"

namespace nigh::internal {

// A unary call, whatever its messages are: sends `request`, waits, and has `reply` parsed.
absl::Status CallUnary(BoundMethod method, ClientContext& context, MessageSource request,
                       MessageTarget reply);

}  // namespace nigh::internal

#endif  // NIGH_RUNTIME_CLIENT_UNARY_H_
