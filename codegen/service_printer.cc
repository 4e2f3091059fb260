#include "codegen/service_printer.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <cstddef>
#include <string>
#include <vector>

#include "codegen/handler_printer.h"
#include "codegen/method.h"
#include "codegen/names.h"
#include "codegen/source_text.h"
#include "codegen/stub_printer.h"
#include "nigh/options.pb.h"

namespace nigh::codegen {
namespace {

using google::protobuf::MethodDescriptor;
using google::protobuf::MethodOptions;
using google::protobuf::ServiceDescriptor;

std::string MethodsType(const ServiceDescriptor& service) {
  return "std::array<::nigh::Method, " + std::to_string(service.method_count()) + ">";
}

// What a nigh::Method is made of behind its name. Defaults are left out at the end.
std::vector<std::string> MethodTraits(const MethodDescriptor& method) {
  const char* kind = method.client_streaming()
                         ? (method.server_streaming() ? "kBidiStreaming" : "kClientStreaming")
                         : (method.server_streaming() ? "kServerStreaming" : "kUnary");
  std::vector<std::string> traits = {std::string("::nigh::MethodKind::") + kind};

  const MethodDispatch::Mode dispatch_mode = method.options().GetExtension(dispatch);
  const MethodOptions::IdempotencyLevel idempotency = method.options().idempotency_level();
  const bool has_idempotency = idempotency != MethodOptions::IDEMPOTENCY_UNKNOWN;
  if (dispatch_mode != MethodDispatch::ADAPTIVE || has_idempotency) {
    traits.push_back(std::string("::nigh::Dispatch::") +
                     (dispatch_mode == MethodDispatch::INLINE ? "kInline"
                      : dispatch_mode == MethodDispatch::POOL ? "kPool"
                                                              : "kAdaptive"));
  }
  if (has_idempotency) {
    traits.push_back(
        std::string("::nigh::Idempotency::") +
        (idempotency == MethodOptions::NO_SIDE_EFFECTS ? "kNoSideEffects" : "kIdempotent"));
  }
  return traits;
}

void PrintMethod(const MethodDescriptor& method, SourceText& out) {
  const std::string service = "/" + method.service()->full_name() + "/";
  const std::string name = "\"" + service + method.name() + "\"";
  std::vector<std::string> fields = MethodTraits(method);
  if (out.Fits("{" + name + ",")) {
    fields.insert(fields.begin(), name);
    out.List({"", fields, ",", "{}"});
    return;
  }
  out.Line("{\"" + service + "\"");
  out.Line(" \"" + method.name() + "\",");
  for (size_t i = 0; i < fields.size(); ++i) {
    out.Line(" " + fields[i] + (i + 1 < fields.size() ? "," : "},"));
  }
}

void PrintMethodTable(const ServiceDescriptor& service, const Names& names, SourceText& out) {
  const std::string head =
      "constinit const " + MethodsType(service) + " " + names.Class(service) + "::kMethods = ";
  if (service.method_count() == 0) {
    out.Line(head + "{};");
    return;
  }
  out.Line(head + "{{");
  out.Indent(4);
  for (int i = 0; i < service.method_count(); ++i) PrintMethod(*service.method(i), out);
  out.Outdent(4);
  out.Line("}};");
}

}  // namespace

void PrintServiceClass(const ServiceDescriptor& service, const Names& names, SourceText& out) {
  PrintComment(service, out);
  out.Line("class " + names.Class(service) + " final {");
  out.Line(" public:");
  out.Indent(2);
  out.Assignment("static constexpr ::absl::string_view kServiceName",
                 "\"" + service.full_name() + "\"");
  out.Line("static const " + MethodsType(service) + " kMethods;");
  out.Line();
  PrintStub(service, names, out);
  out.Line();
  PrintService(service, names, out);
  out.Outdent(2);
  out.Line("};");
}

void PrintServiceDefinitions(const ServiceDescriptor& service, const Names& names,
                             SourceText& out) {
  PrintMethodTable(service, names, out);
  out.Line();
  PrintServiceMembers(service, names, out);
}

}  // namespace nigh::codegen
