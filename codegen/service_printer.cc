#include "codegen/service_printer.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <string>
#include <vector>

#include "codegen/names.h"
#include "codegen/source_text.h"
#include "nigh/options.pb.h"

namespace nigh::codegen {
namespace {

using google::protobuf::MethodDescriptor;
using google::protobuf::MethodOptions;
using google::protobuf::ServiceDescriptor;
using google::protobuf::SourceLocation;

// One method as the printers below need it.
struct Method {
  Method(const MethodDescriptor& descriptor, const Names& names)
      : descriptor(descriptor),
        function(names.Function(descriptor)),
        request(names.Message(*descriptor.input_type(), *descriptor.service())),
        reply(names.Message(*descriptor.output_type(), *descriptor.service())),
        bound("methods_[" + std::to_string(descriptor.index()) + "]"),
        constant("kMethods[" + std::to_string(descriptor.index()) + "]"),
        client_streams(descriptor.client_streaming()),
        server_streams(descriptor.server_streaming()) {}

  const MethodDescriptor& descriptor;
  std::string function;
  std::string request;   // its type
  std::string reply;     // its type
  std::string bound;     // the method on a stub's channel
  std::string constant;  // its description
  bool client_streams;
  bool server_streams;
};

std::vector<Method> MethodsOf(const ServiceDescriptor& service, const Names& names) {
  std::vector<Method> methods;
  for (int i = 0; i < service.method_count(); ++i) methods.emplace_back(*service.method(i), names);
  return methods;
}

// The comments of the .proto: those standing free above, above, and behind.
template <typename Descriptor>
void PrintComment(const Descriptor& descriptor, SourceText& out) {
  SourceLocation location;
  if (!descriptor.GetSourceLocation(&location)) return;
  for (const std::string& paragraph : location.leading_detached_comments) {
    out.Comment(paragraph);
    out.Line();
  }
  out.Comment(location.leading_comments);
  out.Comment(location.trailing_comments);
}

std::string Deprecated(bool deprecated) { return deprecated ? "[[deprecated]] " : ""; }

// The client's end of a stream: what the stub's function returns.
std::string ClientStreamType(const Method& method, const Names& names) {
  if (!method.client_streams) return names.Nigh("ClientReader<") + method.reply + ">";
  return names.Nigh(method.server_streams ? "ClientStream<" : "ClientWriter<") + method.request +
         ", " + method.reply + ">";
}

// A method on the stub, twice: with options, and with a context for full control.
void PrintCall(const Method& method, const Names& names, SourceText& out) {
  const std::string options = "const " + names.Nigh("CallOptions& options = {}");
  const std::string context = names.Nigh("ClientContext& context");
  const std::string request = "const " + method.request + "& request";
  const std::string deprecated = Deprecated(method.descriptor.options().deprecated());

  PrintComment(method.descriptor, out);
  if (!method.client_streams && !method.server_streams) {
    const std::string call = "return " + names.Nigh("internal::CallUnary");
    out.Function(deprecated + names.Absl("StatusOr<") + method.reply + "> " + method.function,
                 {request, options}, " const",
                 {call + "<" + method.reply + ">(" + method.bound + ", request, options);"});
    out.Function(deprecated + names.Absl("Status ") + method.function,
                 {context, request, method.reply + "* reply"}, " const",
                 {call + "(" + method.bound + ", context, request, reply);"});
    return;
  }
  const std::string head = deprecated + ClientStreamType(method, names) + " " + method.function;
  if (method.client_streams) {
    out.Function(head, {options}, " const", {"return {" + method.bound + ", options};"});
    out.Function(head, {context}, " const", {"return {" + method.bound + ", context};"});
  } else {
    out.Function(head, {request, options}, " const",
                 {"return {" + method.bound + ", request, options};"});
    out.Function(head, {context, request}, " const",
                 {"return {" + method.bound + ", context, request};"});
  }
}

void PrintStub(const ServiceDescriptor& service, const Names& names, SourceText& out) {
  out.Line("// The client: each method of the service as a function.");
  out.Line("class " + Deprecated(service.options().deprecated()) + "Stub final {");
  out.Line(" public:");
  out.Indent(2);
  out.Line("explicit Stub(" + names.Std("shared_ptr<") + names.Nigh("Channel") + "> channel)");
  out.Line("    : methods_(" + names.Std("move") + "(channel), kMethods) {}");
  out.Line();
  for (const Method& method : MethodsOf(service, names)) {
    PrintCall(method, names, out);
    out.Line();
  }
  out.Outdent(2);
  out.Line(" private:");
  out.Line("  " + names.Nigh("BoundMethods methods_;"));
  out.Line("};");
}

struct Parameter {
  std::string type;
  std::string name;
};

// What a synchronous handler takes.
std::vector<Parameter> HandlerParameters(const Method& method, const Names& names) {
  std::vector<Parameter> parameters = {{names.Nigh("ServerContext&"), "context"}};
  if (method.client_streams && method.server_streams) {
    parameters.push_back(
        {names.Nigh("ServerStream<") + method.request + ", " + method.reply + ">&", "stream"});
    return parameters;
  }
  if (method.client_streams) {
    parameters.push_back({names.Nigh("ServerReader<") + method.request + ">&", "requests"});
  } else {
    parameters.push_back({"const " + method.request + "&", "request"});
  }
  if (method.server_streams) {
    parameters.push_back({names.Nigh("ServerWriter<") + method.reply + ">&", "replies"});
  } else {
    parameters.push_back({method.reply + "*", "reply"});
  }
  return parameters;
}

void PrintService(const ServiceDescriptor& service, const Names& names, SourceText& out) {
  out.Line(
      "// The server: derive from it and override methods. Those left out answer UNIMPLEMENTED.");
  out.Line("class Service : public " + names.Nigh("Service {"));
  out.Line(" public:");
  out.Indent(2);
  out.Line("Service();");
  for (const Method& method : MethodsOf(service, names)) {
    out.Line();
    PrintComment(method.descriptor, out);
    std::vector<std::string> parameters;
    for (const Parameter& parameter : HandlerParameters(method, names)) {
      parameters.push_back(parameter.type + " " + parameter.name);
    }
    out.List("virtual " + names.Absl("Status ") + method.function, parameters, ";");
  }
  out.Outdent(2);
  out.Line("};");
}

std::string MethodsType(const ServiceDescriptor& service, const Names& names) {
  return names.Std("array<") + names.Nigh("Method, ") + std::to_string(service.method_count()) +
         ">";
}

// The initialisers of a nigh::Method. Defaults are left out at the end.
std::vector<std::string> MethodFields(const MethodDescriptor& method, const Names& names) {
  std::vector<std::string> fields = {"\"/" + method.service()->full_name() + "/" + method.name() +
                                     "\""};
  const char* kind = method.client_streaming()
                         ? (method.server_streaming() ? "kBidiStreaming" : "kClientStreaming")
                         : (method.server_streaming() ? "kServerStreaming" : "kUnary");
  fields.push_back(names.Nigh("MethodKind::") + kind);

  const MethodDispatch::Mode dispatch_mode = method.options().GetExtension(dispatch);
  const MethodOptions::IdempotencyLevel idempotency = method.options().idempotency_level();
  const bool has_idempotency = idempotency != MethodOptions::IDEMPOTENCY_UNKNOWN;
  if (dispatch_mode != MethodDispatch::ADAPTIVE || has_idempotency) {
    fields.push_back(names.Nigh("Dispatch::") + (dispatch_mode == MethodDispatch::INLINE ? "kInline"
                                                 : dispatch_mode == MethodDispatch::POOL
                                                     ? "kPool"
                                                     : "kAdaptive"));
  }
  if (has_idempotency) {
    fields.push_back(names.Nigh("Idempotency::") + (idempotency == MethodOptions::NO_SIDE_EFFECTS
                                                        ? "kNoSideEffects"
                                                        : "kIdempotent"));
  }
  return fields;
}

void PrintMethodTable(const ServiceDescriptor& service, const Names& names, SourceText& out) {
  const std::string head = "constinit const " + MethodsType(service, names) + " " +
                           names.Class(service) + "::kMethods = ";
  if (service.method_count() == 0) {
    out.Line(head + "{};");
    return;
  }
  out.Line(head + "{{");
  out.Indent(4);
  for (int i = 0; i < service.method_count(); ++i) {
    out.Braces(MethodFields(*service.method(i), names), ",");
  }
  out.Outdent(4);
  out.Line("}};");
}

}  // namespace

void PrintServiceClass(const ServiceDescriptor& service, const Names& names, SourceText& out) {
  PrintComment(service, out);
  out.Line("class " + names.Class(service) + " final {");
  out.Line(" public:");
  out.Indent(2);
  out.Line("static constexpr " + names.Absl("string_view") + " kServiceName = \"" +
           service.full_name() + "\";");
  out.Line("static const " + MethodsType(service, names) + " kMethods;");
  out.Line();
  PrintStub(service, names, out);
  out.Line();
  PrintService(service, names, out);
  out.Outdent(2);
  out.Line("};");
}

void PrintServiceDefinitions(const ServiceDescriptor& service, const Names& names,
                             SourceText& out) {
  const std::string scope = names.Class(service) + "::Service::";
  const std::vector<Method> methods = MethodsOf(service, names);
  PrintMethodTable(service, names, out);
  out.Line();

  std::vector<std::string> registrations;
  for (const Method& method : methods) {
    registrations.push_back("Handle<&Service::" + method.function + ">(" + method.constant + ");");
  }
  out.Function(scope + "Service", {}, "", registrations);

  for (const Method& method : methods) {
    out.Line();
    std::vector<std::string> types;
    for (const Parameter& parameter : HandlerParameters(method, names)) {
      types.push_back(parameter.type);
    }
    out.Function(names.Absl("Status ") + scope + method.function, types, "",
                 {"return " + names.Nigh("Unimplemented(") + method.constant + ");"});
  }
}

}  // namespace nigh::codegen
