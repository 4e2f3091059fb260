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

// What a synchronous handler takes.
std::vector<Parameter> HandlerParameters(const Method& method) {
  std::vector<Parameter> parameters = {{"::nigh::ServerContext&", "context"}};
  if (method.client_streams && method.server_streams) {
    parameters.push_back(
        {"::nigh::ServerStream<" + method.request + ", " + method.reply + ">&", "stream"});
    return parameters;
  }
  if (method.client_streams) {
    parameters.push_back({"::nigh::ServerReader<" + method.request + ">&", "requests"});
  } else {
    parameters.push_back({"const " + method.request + "&", "request"});
  }
  if (method.server_streams) {
    parameters.push_back({"::nigh::ServerWriter<" + method.reply + ">&", "replies"});
  } else {
    parameters.push_back({method.reply + "*", "reply"});
  }
  return parameters;
}

}  // namespace

void PrintService(const ServiceDescriptor& service, const Names& names, SourceText& out) {
  out.Line(
      "// The server: derive from it and override methods. Those left out answer UNIMPLEMENTED.");
  out.Line("class Service : public ::nigh::Service {");
  out.Line(" public:");
  out.Indent(2);
  out.Line("Service();");
  for (const Method& method : MethodsOf(service, names)) {
    out.Line();
    PrintComment(method.descriptor, out);
    std::vector<std::string> parameters;
    for (const Parameter& parameter : HandlerParameters(method)) {
      parameters.push_back(parameter.type + " " + parameter.name);
    }
    out.List({"virtual ::absl::Status " + method.function, parameters, ";"});
  }
  out.Outdent(2);
  out.Line("};");
}

void PrintServiceMembers(const ServiceDescriptor& service, const Names& names, SourceText& out) {
  const std::string scope = names.Class(service) + "::Service::";
  const std::vector<Method> methods = MethodsOf(service, names);
  std::vector<Listing> registrations;
  for (const Method& method : methods) {
    registrations.push_back({"Handle<&Service::" + method.function + ">", {method.constant}, ";"});
  }
  out.Function(Plain(""), {scope + "Service", {}, ""}, registrations);

  for (const Method& method : methods) {
    out.Line();
    std::vector<std::string> types;
    for (const Parameter& parameter : HandlerParameters(method)) {
      types.push_back(parameter.type);
    }
    out.Function(Plain("::absl::Status"), {scope + method.function, types, ""},
                 {{"return ::nigh::Unimplemented", {method.constant}, ";"}});
  }
}

}  // namespace nigh::codegen
