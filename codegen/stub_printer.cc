#include "codegen/stub_printer.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <string>
#include <vector>

#include "codegen/method.h"
#include "codegen/names.h"
#include "codegen/source_text.h"

namespace nigh::codegen {
namespace {

using google::protobuf::ServiceDescriptor;

std::string Deprecated(bool deprecated) { return deprecated ? "[[deprecated]] " : ""; }

// What a streaming function of the stub returns: the client's end of the stream.
Listing StreamType(const Method& method) {
  if (!method.client_streams) return {"::nigh::ClientReader", {method.reply}, "", "<>"};
  const char* type = method.server_streams ? "ClientStream" : "ClientWriter";
  return {std::string("::nigh::") + type, {method.request, method.reply}, "", "<>"};
}

void PrintUnaryCall(const Method& method, SourceText& out) {
  const std::string deprecated = Deprecated(method.descriptor.options().deprecated());
  const std::string request = "const " + method.request + "& request";
  const std::string call = "return ::nigh::internal::CallUnary";
  out.Function({deprecated + "::absl::StatusOr", {method.reply}, "", "<>"},
               {method.function, {request, "const ::nigh::CallOptions& options = {}"}, " const"},
               {{call + "<" + method.reply + ">", {method.bound, "request", "options"}, ";"}});
  out.Function(Plain(deprecated + "::absl::Status"),
               {method.function,
                {"::nigh::ClientContext& context", request, method.reply + "* reply"},
                " const"},
               {{call, {method.bound, "context", "request", "reply"}, ";"}});
}

void PrintStreamingCall(const Method& method, SourceText& out) {
  Listing type = StreamType(method);
  type.head.insert(0, Deprecated(method.descriptor.options().deprecated()));
  std::vector<std::string> with_options = {"const ::nigh::CallOptions& options = {}"};
  std::vector<std::string> with_context = {"::nigh::ClientContext& context"};
  std::string request;
  if (!method.client_streams) {
    const std::string parameter = "const " + method.request + "& request";
    with_options.insert(with_options.begin(), parameter);
    with_context.push_back(parameter);
    request = ", request";
  }
  out.Function(type, {method.function, with_options, " const"},
               {Plain("return {" + method.bound + request + ", options};")});
  out.Function(type, {method.function, with_context, " const"},
               {Plain("return {" + method.bound + ", context" + request + "};")});
}

// A method on the stub, twice: with options, and with a context for full control.
void PrintCall(const Method& method, SourceText& out) {
  PrintComment(method.descriptor, out);
  if (method.client_streams || method.server_streams) {
    PrintStreamingCall(method, out);
  } else {
    PrintUnaryCall(method, out);
  }
}

}  // namespace

void PrintStub(const ServiceDescriptor& service, const Names& names, SourceText& out) {
  out.Line("// The client: each method of the service as a function.");
  out.Line("class " + Deprecated(service.options().deprecated()) + "Stub final {");
  out.Line(" public:");
  out.Indent(2);
  out.Line("explicit Stub(std::shared_ptr<::nigh::Channel> channel)");
  out.Line("    : methods_(std::move(channel), kMethods) {}");
  out.Line();
  for (const Method& method : MethodsOf(service, names)) {
    PrintCall(method, out);
    out.Line();
  }
  out.Outdent(2);
  out.Line(" private:");
  out.Line("  ::nigh::BoundMethods methods_;");
  out.Line("};");
}

}  // namespace nigh::codegen
