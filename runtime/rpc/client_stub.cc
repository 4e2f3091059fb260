// What generated stubs and client streams do with typed messages, once for all types.

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/message_lite.h"
#include "nigh/client_call.h"
#include "nigh/client_context.h"
#include "nigh/client_stream.h"
#include "nigh/message_io.h"
#include "nigh/unary.h"

namespace nigh {
namespace internal {

absl::Status CallUnary(BoundMethod method, ClientContext& context,
                       const google::protobuf::MessageLite& request,
                       google::protobuf::MessageLite* reply) {
  MessageSource source(request);
  if (absl::Status measured = source.Measure(); !measured.ok()) {
    return absl::Status(measured.code(),
                        absl::StrCat(method.method->name, ": ", measured.message()));
  }
  ClientCall call(method, context);
  call.Expect(MessageTarget(reply));
  call.Start(&source, /*end=*/true);
  return call.Finish();
}

}  // namespace internal

void ClientStreamBase::Start(const google::protobuf::MessageLite* request) {
  if (request == nullptr) return call().Start(nullptr, /*end=*/false);
  MessageSource source(*request);
  if (absl::Status measured = source.Measure(); !measured.ok()) return call().Fail(measured);
  call().Start(&source, /*end=*/true);
}

bool ClientStreamBase::Write(const google::protobuf::MessageLite& message, bool last) {
  MessageSource source(message);
  if (absl::Status measured = source.Measure(); !measured.ok()) {
    call().Fail(measured);
    return false;
  }
  return call().Write(source, last);
}

}  // namespace nigh
