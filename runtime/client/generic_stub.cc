#include "nigh/generic_stub.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/options.h"
#include "nigh/runtime/client/unary.h"

namespace nigh {

absl::StatusOr<std::string> GenericStub::Call(absl::string_view method, absl::string_view request,
                                              const CallOptions& options) const {
  ClientContext context(options);
  std::string reply;
  if (absl::Status status = Call(context, method, request, &reply); !status.ok()) return status;
  return reply;
}

absl::Status GenericStub::Call(ClientContext& context, absl::string_view method,
                               absl::string_view request, std::string* reply) const {
  return internal::CallUnary(Bind(method, MethodKind::kUnary), context, MessageSource(request),
                             MessageTarget(reply));
}

}  // namespace nigh
