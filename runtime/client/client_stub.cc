// The parts of generated stubs and client streams that are the same for all types of messages.

#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message_lite.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/client_stream.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/options.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/client/client_call.h"
#include "nigh/runtime/client/connector.h"
#include "nigh/runtime/client/unary.h"
#include "nigh/runtime/client/unary_call.h"

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
    return Prefixed(method.method->name, measured);
  }
  if (method.connector->interceptors() == nullptr) {
    return UnaryCall(method, context, reply).Run(request);
  }
  // A call that begins anew needs it, whatever callbacks do to the channel.
  const std::shared_ptr<Connector> connector = method.connector->shared_from_this();
  ClientCall call(method, context);
  call.Expect(reply);
  call.Start(&request, /*end=*/true);
  return call.Finish();
}

}  // namespace internal

struct ClientStreamBase::Open {
  Open(BoundMethod method, const CallOptions& options)
      : connector(method.connector->shared_from_this()),
        method(method.method->name),
        own(std::in_place, options),
        context(*own),
        call(method, context) {}
  Open(BoundMethod method, ClientContext& given)
      : connector(method.connector->shared_from_this()),
        method(method.method->name),
        context(given),
        call(method, context) {}

  // A call that a child of fork(2) has inherited is over for the child.
  bool is_of_this_process() const { return call.is_of_this_process(); }

  const std::shared_ptr<Connector> connector;  // its table holds a method that goes by its name
  const absl::string_view method;
  std::optional<ClientContext> own;
  ClientContext& context;
  ClientCall call;
};

ClientStreamBase::ClientStreamBase(BoundMethod method, const CallOptions& options)
    : open_(std::make_unique<Open>(method, options)) {}
ClientStreamBase::ClientStreamBase(BoundMethod method, ClientContext& context)
    : open_(std::make_unique<Open>(method, context)) {}
ClientStreamBase::ClientStreamBase(ClientStreamBase&&) noexcept = default;
ClientStreamBase& ClientStreamBase::operator=(ClientStreamBase&&) noexcept = default;
ClientStreamBase::~ClientStreamBase() = default;

const ClientContext& ClientStreamBase::context() const { return open_->context; }
void ClientStreamBase::Expect(MessageTarget reply) { open_->call.Expect(reply); }

void ClientStreamBase::TryCancel() {
  if (open_->is_of_this_process()) open_->context.TryCancel();
}

void ClientStreamBase::WaitForInitialMetadata() {
  if (open_->is_of_this_process()) open_->call.WaitForInitialMetadata();
}

bool ClientStreamBase::WritesDone() {
  return open_->is_of_this_process() && open_->call.WritesDone();
}

bool ClientStreamBase::Read(MessageTarget target) {
  return open_->is_of_this_process() && open_->call.Read(target);
}

absl::Status ClientStreamBase::Finish() {
  if (!open_->is_of_this_process()) return InheritedByFork(open_->method, "call");
  return open_->call.Finish();
}

void ClientStreamBase::Start() { open_->call.Start(nullptr, /*end=*/false); }

void ClientStreamBase::Start(MessageSource request) {
  if (absl::Status measured = request.Measure(); !measured.ok()) return open_->call.Fail(measured);
  open_->call.Start(&request, /*end=*/true);
}

bool ClientStreamBase::Write(MessageSource message, bool last) {
  if (!open_->is_of_this_process()) return false;
  if (absl::Status measured = message.Measure(); !measured.ok()) {
    open_->call.Fail(measured);
    return false;
  }
  return open_->call.Write(message, last);
}

}  // namespace nigh
