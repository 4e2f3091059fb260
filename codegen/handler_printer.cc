#include "codegen/handler_printer.h"

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

#include "codegen/method.h"
#include "codegen/names.h"
#include "codegen/source_text.h"

namespace nigh::codegen {
namespace {

using google::protobuf::ServiceDescriptor;

struct Parameter {
  std::string type;
  std::string name;
};

// How the handlers of one of the two classes are written.
struct Flavour {
  const char* class_name;
  const char* comment;
  const char* returns;
  const char* return_keyword;
  const char* stream_prefix;  // of ServerReader and the like
};

constexpr Flavour kFunctions = {
    "Service",
    "// The server: derive from it and override methods. Those left out answer UNIMPLEMENTED.",
    "::absl::Status", "return", "::nigh::"};
constexpr Flavour kCoroutines = {
    "CoService", "// The same with coroutines for handlers, which need no thread while they wait.",
    "::nigh::Task<::absl::Status>", "co_return", "::nigh::Co"};

// What a handler takes.
std::vector<Parameter> HandlerParameters(const Method& method, const Flavour& flavour) {
  const std::string prefix = flavour.stream_prefix;
  std::vector<Parameter> parameters = {{"::nigh::ServerContext&", "context"}};
  if (method.client_streams && method.server_streams) {
    parameters.push_back(
        {prefix + "ServerStream<" + method.request + ", " + method.reply + ">&", "stream"});
    return parameters;
  }
  if (method.client_streams) {
    parameters.push_back({prefix + "ServerReader<" + method.request + ">&", "requests"});
  } else {
    parameters.push_back({"const " + method.request + "&", "request"});
  }
  if (method.server_streams) {
    parameters.push_back({prefix + "ServerWriter<" + method.reply + ">&", "replies"});
  } else {
    parameters.push_back({method.reply + "*", "reply"});
  }
  return parameters;
}

void PrintClass(const ServiceDescriptor& service, const Names& names, const Flavour& flavour,
                SourceText& out) {
  const std::string name = flavour.class_name;
  out.Line(flavour.comment);
  out.Line("class " + name + " : public ::nigh::Service {");
  out.Line(" public:");
  out.Indent(2);
  out.Line(name + "();");
  for (const Method& method : MethodsOf(service, names)) {
    out.Line();
    PrintComment(method.descriptor, out);
    std::vector<std::string> parameters;
    for (const Parameter& parameter : HandlerParameters(method, flavour)) {
      parameters.push_back(parameter.type + " " + parameter.name);
    }
    out.List({std::string("virtual ") + flavour.returns + " " + method.function, parameters, ";"});
  }
  out.Outdent(2);
  out.Line("};");
}

void PrintMembers(const ServiceDescriptor& service, const Names& names, const Flavour& flavour,
                  SourceText& out) {
  const std::string name = flavour.class_name;
  const std::string scope = names.Class(service) + "::" + name + "::";
  const std::vector<Method> methods = MethodsOf(service, names);
  std::vector<Listing> registrations;
  for (const Method& method : methods) {
    registrations.push_back(
        {"Handle<&" + name + "::" + method.function + ">", {method.constant}, ";"});
  }
  out.Function(Plain(""), {scope + name, {}, ""}, registrations);

  for (const Method& method : methods) {
    out.Line();
    std::vector<std::string> types;
    for (const Parameter& parameter : HandlerParameters(method, flavour)) {
      types.push_back(parameter.type);
    }
    out.Function(
        Plain(flavour.returns), {scope + method.function, types, ""},
        {{std::string(flavour.return_keyword) + " ::nigh::Unimplemented", {method.constant}, ";"}});
  }
}

}  // namespace

std::vector<std::string> HandlerTypes(const Method& method) {
  std::vector<std::string> types;
  for (const Parameter& parameter : HandlerParameters(method, kFunctions)) {
    types.push_back(parameter.type);
  }
  return types;
}

void PrintService(const ServiceDescriptor& service, const Names& names, SourceText& out) {
  PrintClass(service, names, kFunctions, out);
  out.Line();
  PrintClass(service, names, kCoroutines, out);
}

void PrintServiceMembers(const ServiceDescriptor& service, const Names& names, SourceText& out) {
  PrintMembers(service, names, kFunctions, out);
  out.Line();
  PrintMembers(service, names, kCoroutines, out);
}

}  // namespace nigh::codegen
