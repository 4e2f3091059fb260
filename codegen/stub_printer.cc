#include <google/protobuf/descriptor.h>

#include "codegen/names.h"
#include "codegen/printers.h"
#include "codegen/template.h"

namespace nigh::codegen {
namespace {

using google::protobuf::ServiceDescriptor;

// A method with options, and with a context for full control; the same with a callback and for
// coroutines.

constexpr char kUnary[] = R"(
$deprecated$::absl::StatusOr<$reply$> $function$(
    const $request$& request,
    const ::nigh::CallOptions& options = {}) const {
  return ::nigh::internal::CallUnary<$reply$>(
      methods_[$index$], request, options);
}
$deprecated$::absl::Status $function$(
    ::nigh::ClientContext& context,
    const $request$& request,
    $reply$* reply) const {
  return ::nigh::internal::CallUnary(methods_[$index$], context, request, reply);
}
$deprecated$void $async_function$(
    ::nigh::ClientContext& context,
    const $request$& request,
    $reply$* reply,
    ::nigh::DoneCallback done) const {
  ::nigh::internal::CallAsync(methods_[$index$], context, request, reply, std::move(done));
}
$deprecated$::nigh::CoUnary<$reply$> $co_function$(
    const $request$& request,
    const ::nigh::CallOptions& options = {}) const {
  return {methods_[$index$], request, options};
}
$deprecated$::nigh::CoUnary<$reply$> $co_function$(
    ::nigh::ClientContext& context,
    const $request$& request) const {
  return {methods_[$index$], context, request};
}
)";

constexpr char kServerStreaming[] = R"(
$deprecated$::nigh::ClientReader<$reply$> $function$(
    const $request$& request,
    const ::nigh::CallOptions& options = {}) const {
  return {methods_[$index$], request, options};
}
$deprecated$::nigh::ClientReader<$reply$> $function$(
    ::nigh::ClientContext& context,
    const $request$& request) const {
  return {methods_[$index$], context, request};
}
$deprecated$::nigh::AsyncClientReader<$reply$> $async_function$(
    ::nigh::ClientContext& context,
    const $request$& request) const {
  return {methods_[$index$], context, request};
}
$deprecated$::nigh::CoClientReader<$reply$> $co_function$(
    const $request$& request,
    const ::nigh::CallOptions& options = {}) const {
  return {methods_[$index$], request, options};
}
$deprecated$::nigh::CoClientReader<$reply$> $co_function$(
    ::nigh::ClientContext& context,
    const $request$& request) const {
  return {methods_[$index$], context, request};
}
)";

// $Stream$ is Writer or, where replies stream, too, Stream.
constexpr char kClientStreaming[] = R"(
$deprecated$::nigh::Client$Stream$<$request$, $reply$> $function$(
    const ::nigh::CallOptions& options = {}) const {
  return {methods_[$index$], options};
}
$deprecated$::nigh::Client$Stream$<$request$, $reply$> $function$(
    ::nigh::ClientContext& context) const {
  return {methods_[$index$], context};
}
$deprecated$::nigh::AsyncClient$Stream$<$request$, $reply$> $async_function$(
    ::nigh::ClientContext& context) const {
  return {methods_[$index$], context};
}
$deprecated$::nigh::CoClient$Stream$<$request$, $reply$> $co_function$(
    const ::nigh::CallOptions& options = {}) const {
  return {methods_[$index$], options};
}
$deprecated$::nigh::CoClient$Stream$<$request$, $reply$> $co_function$(
    ::nigh::ClientContext& context) const {
  return {methods_[$index$], context};
}
)";

constexpr ByKind kFunctions = {kUnary, kServerStreaming, kClientStreaming, kClientStreaming};

}  // namespace

void PrintStub(Printer& out, const ServiceDescriptor& service, const Names& names) {
  const Variables variables = VariablesOf(service, names);
  Print(out, variables, R"(
// The client: each method of the service as a function.
class $deprecated$Stub final {
 public:
  explicit Stub(std::shared_ptr<::nigh::Channel> channel)
      : methods_(std::move(channel), kMethods) {}

)");
  out.Indent();
  for (Method& method : MethodsOf(service, names)) {
    method.variables["Stream"] = method.descriptor.server_streaming() ? "Stream" : "Writer";
    PrintCommentOf(out, method.descriptor);
    Print(out, method.variables, kFunctions.Of(method.descriptor));
    out.Print("\n");
  }
  out.Outdent();
  Print(out, variables, R"(
 private:
  ::nigh::BoundMethods methods_;
};
)");
}

}  // namespace nigh::codegen
