#ifndef NIGH_RUNTIME_CLIENT_UNARY_H_
#define NIGH_RUNTIME_CLIENT_UNARY_H_

#include "absl/status/status.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/method.h"

namespace nigh::internal {

// Makes a unary call, whatever its messages are: sends `request`, waits for the reply and parses it
// into `reply`. Blocks. Returns the call's status.
absl::Status CallUnary(BoundMethod method, ClientContext& context, MessageSource request,
                       MessageTarget reply);

}  // namespace nigh::internal

#endif  // NIGH_RUNTIME_CLIENT_UNARY_H_
