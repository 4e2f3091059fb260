#include "codegen/template.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <sstream>
#include <string>
#include <vector>

#include "codegen/names.h"

namespace nigh::codegen {
namespace {

using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using google::protobuf::SourceLocation;

template <typename Descriptor>
std::string Deprecated(const Descriptor& descriptor) {
  return descriptor.options().deprecated() ? "[[deprecated]] " : "";
}

void PrintParagraph(Printer& out, const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    line.erase(line.find_last_not_of(" \t\r\f\v") + 1);
    // The compiler would take the next line for a part of the comment.
    if (line.ends_with('\\')) line += '.';
    // Protobuf keeps the blank that follows the slashes.
    if (!line.empty() && line[0] != ' ' && line[0] != '\t') line.insert(0, 1, ' ');
    out.Print("//$line$\n", "line", line);
  }
}

}  // namespace

void Print(Printer& out, const Variables& variables, const char* text) {
  out.Print(variables, text + 1);
}

const char* ByKind::Of(const MethodDescriptor& method) const {
  if (method.client_streaming()) {
    return method.server_streaming() ? bidi_streaming : client_streaming;
  }
  return method.server_streaming() ? server_streaming : unary;
}

Variables VariablesOf(const ServiceDescriptor& service, const Names& names) {
  return {{"service", names.Class(service)},
          {"full_name", service.full_name()},
          {"method_count", std::to_string(service.method_count())},
          {"deprecated", Deprecated(service)}};
}

std::vector<Method> MethodsOf(const ServiceDescriptor& service, const Names& names,
                              const Variables& more) {
  std::vector<Method> methods;
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    Variables variables = {{"name", method.name()},
                           {"index", std::to_string(i)},
                           {"function", names.Function(method)},
                           {"async_function", names.Derived("Async", method)},
                           {"co_function", names.Derived("Co", method)},
                           {"request", names.Message(*method.input_type(), service)},
                           {"reply", names.Message(*method.output_type(), service)},
                           {"deprecated", Deprecated(method)}};
    variables.merge(VariablesOf(service, names));
    variables.insert(more.begin(), more.end());
    methods.push_back({method, variables});
  }
  return methods;
}

void PrintComment(Printer& out, const SourceLocation& location) {
  for (const std::string& paragraph : location.leading_detached_comments) {
    PrintParagraph(out, paragraph);
    out.Print("\n");
  }
  PrintParagraph(out, location.leading_comments);
  if (!location.leading_comments.empty() && !location.trailing_comments.empty()) out.Print("//\n");
  PrintParagraph(out, location.trailing_comments);
}

}  // namespace nigh::codegen
