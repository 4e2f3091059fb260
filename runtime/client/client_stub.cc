// What generated stubs and client streams do with typed messages, once for all types.

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/message_lite.h"
#include "nigh/client_context.h"
#include "nigh/client_stream.h"
#include "nigh/message_io.h"
#include "nigh/runtime/client/client_call.h"
#include "nigh/unary.h"

namespace nigh {
namespace internal {

absl::Status CallUnary(BoundMethod method, ClientContext& context,
                       const google::protobuf::MessageLite& request,
                       google::protobuf::MessageLite* reply) {
  return CallUnary(method, context, MessageSource(request), MessageTarget(reply));
}

absl::Status CallUnary(BoundMethod method, ClientContext& context, MessageSource request,
                       MessageTarget reply) {
  if (absl::Status measured = request.Measure(); !measured.ok()) {
    return absl::Status(measured.code(),
                        absl::StrCat(method.method->name, ": ", measured.message()));
  }
  ClientCall call(method, context);
  call.Expect(reply);
  call.Start(&request, /*end=*/true);
  return call.Finish();
}

}  // namespace internal

void ClientStreamBase::Start() { call().Start(nullptr, /*end=*/false); }

void ClientStreamBase::Start(MessageSource request) {
  if (absl::Status measured = request.Measure(); !measured.ok()) return call().Fail(measured);
  call().Start(&request, /*end=*/true);
}

bool ClientStreamBase::Write(MessageSource message, bool last) {
  if (absl::Status measured = message.Measure(); !measured.ok()) {
    call().Fail(measured);
    return false;
  }
  return call().Write(message, last);
}

}  // namespace nigh
