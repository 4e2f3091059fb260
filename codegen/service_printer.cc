#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <set>

#include "codegen/allow.h"
#include "codegen/names.h"
#include "codegen/printers.h"
#include "codegen/template.h"
#include "nigh/options.pb.h"

namespace nigh::codegen {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::MethodOptions;
using google::protobuf::ServiceDescriptor;

constexpr ByKind kKinds = {"kUnary", "kServerStreaming", "kClientStreaming", "kBidiStreaming"};

const char* DispatchOf(const MethodDescriptor& method) {
  switch (method.options().GetExtension(dispatch)) {
    case MethodDispatch::INLINE:
      return "kInline";
    case MethodDispatch::POOL:
      return "kPool";
    default:
      return "kAdaptive";
  }
}

const char* IdempotencyOf(const MethodDescriptor& method) {
  switch (method.options().idempotency_level()) {
    case MethodOptions::NO_SIDE_EFFECTS:
      return "kNoSideEffects";
    case MethodOptions::IDEMPOTENT:
      return "kIdempotent";
    default:
      return "kUnknown";
  }
}

// Whether a message of this type can have a nigh.Fd in it. Those of `seen` have been looked at.
bool HasFd(const Descriptor& message, std::set<const Descriptor*>& seen) {
  if (message.full_name() == "nigh.Fd") return true;
  if (!seen.insert(&message).second) return false;
  for (int i = 0; i < message.field_count(); ++i) {
    const Descriptor* const part = message.field(i)->message_type();
    if (part != nullptr && HasFd(*part, seen)) return true;
  }
  return false;
}

bool HasFd(const Descriptor& message) {
  std::set<const Descriptor*> seen;
  return HasFd(message, seen);
}

const char* FdsOf(const MethodDescriptor& method) {
  const bool in_replies = HasFd(*method.output_type());
  if (HasFd(*method.input_type())) return in_replies ? "kInBoth" : "kInRequests";
  return in_replies ? "kInReplies" : "kNowhere";
}

}  // namespace

void PrintServiceClass(Printer& out, const ServiceDescriptor& service, const Names& names) {
  PrintCommentOf(out, service);
  Print(out, VariablesOf(service, names), R"(
class $service$ final {
 public:
  static constexpr ::absl::string_view kServiceName =
      "$full_name$";
  static const std::array<::nigh::Method, $method_count$> kMethods;

)");
  out.Indent();
  PrintStub(out, service, names);
  PrintHandlerClasses(out, service, names);
  out.Outdent();
  out.Print("};\n");
}

void PrintServiceDefinitions(Printer& out, const ServiceDescriptor& service, const Names& names) {
  Print(out, VariablesOf(service, names), R"(
constinit const std::array<::nigh::Method, $method_count$> $service$::kMethods = {{
)");
  for (Method& method : MethodsOf(service, names)) {
    method.variables["kind"] = kKinds.Of(method.descriptor);
    method.variables["dispatch"] = DispatchOf(method.descriptor);
    method.variables["idempotency"] = IdempotencyOf(method.descriptor);
    const Allow* const allow = AllowOf(method.descriptor);
    method.variables["allow"] =
        allow == nullptr ? "" : ",\n     [] { return " + CallersOf(*allow) + "; }";
    method.variables["fds"] = FdsOf(method.descriptor);
    Print(out, method.variables, R"(
    {"/$full_name$/$name$",
     ::nigh::MethodKind::$kind$,
     ::nigh::Dispatch::$dispatch$,
     ::nigh::Idempotency::$idempotency$,
     ::nigh::Fds::$fds$$allow$},
)");
  }
  out.Print("}};\n");
  PrintHandlerDefinitions(out, service, names);
}

}  // namespace nigh::codegen
