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

// What a streaming function of the stub returns: the client's end of the stream. `flavour`: "",
// "Async" or "Co".
Listing StreamType(const Method& method, const std::string& flavour) {
  const std::string prefix =
      Deprecated(method.descriptor.options().deprecated()) + "::nigh::" + flavour;
  if (!method.client_streams) return {prefix + "ClientReader", {method.reply}, "", "<>"};
  const char* type = method.server_streams ? "ClientStream" : "ClientWriter";
  return {prefix + type, {method.request, method.reply}, "", "<>"};
}

void PrintUnaryCall(const Method& method, SourceText& out) {
  const std::string deprecated = Deprecated(method.descriptor.options().deprecated());
  const std::string request = "const " + method.request + "& request";
  const std::string options = "const ::nigh::CallOptions& options = {}";
  const std::string context = "::nigh::ClientContext& context";
  const std::string call = "return ::nigh::internal::CallUnary";
  out.Function({deprecated + "::absl::StatusOr", {method.reply}, "", "<>"},
               {method.function, {request, options}, " const"},
               {{call + "<" + method.reply + ">", {method.bound, "request", "options"}, ";"}});
  out.Function(Plain(deprecated + "::absl::Status"),
               {method.function, {context, request, method.reply + "* reply"}, " const"},
               {{call, {method.bound, "context", "request", "reply"}, ";"}});
  out.Function(Plain(deprecated + "void"),
               {method.async_function,
                {context, request, method.reply + "* reply", "::nigh::DoneCallback done"},
                " const"},
               {{"::nigh::internal::CallAsync",
                 {method.bound, "context", "request", "reply", "std::move(done)"},
                 ";"}});
  const Listing unary = {deprecated + "::nigh::CoUnary", {method.reply}, "", "<>"};
  out.Function(unary, {method.co_function, {request, options}, " const"},
               {Plain("return {" + method.bound + ", request, options};")});
  out.Function(unary, {method.co_function, {context, request}, " const"},
               {Plain("return {" + method.bound + ", context, request};")});
}

void PrintStreamingCall(const Method& method, SourceText& out) {
  std::vector<std::string> with_options = {"const ::nigh::CallOptions& options = {}"};
  std::vector<std::string> with_context = {"::nigh::ClientContext& context"};
  std::string request;
  if (!method.client_streams) {
    const std::string parameter = "const " + method.request + "& request";
    with_options.insert(with_options.begin(), parameter);
    with_context.push_back(parameter);
    request = ", request";
  }
  const std::vector<Listing> begin_with_options = {
      Plain("return {" + method.bound + request + ", options};")};
  const std::vector<Listing> begin_with_context = {
      Plain("return {" + method.bound + ", context" + request + "};")};
  const Listing type = StreamType(method, "");
  out.Function(type, {method.function, with_options, " const"}, begin_with_options);
  out.Function(type, {method.function, with_context, " const"}, begin_with_context);
  out.Function(StreamType(method, "Async"), {method.async_function, with_context, " const"},
               begin_with_context);
  const Listing co_type = StreamType(method, "Co");
  out.Function(co_type, {method.co_function, with_options, " const"}, begin_with_options);
  out.Function(co_type, {method.co_function, with_context, " const"}, begin_with_context);
}

// A method on the stub: with options, and with a context for full control; the same with a callback
// and for coroutines.
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
