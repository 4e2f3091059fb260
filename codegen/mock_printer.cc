#include "codegen/mock_printer.h"

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

#include "codegen/handler_printer.h"
#include "codegen/method.h"
#include "codegen/names.h"
#include "codegen/source_text.h"

namespace nigh::codegen {
namespace {

using google::protobuf::ServiceDescriptor;

void PrintDefault(const Method& method, const std::string& service, SourceText& out) {
  const std::string on_call = "ON_CALL(*this, " + method.function + ")";
  const std::string by_default = ".WillByDefault(::testing::Return(::nigh::Unimplemented(" +
                                 service + "::" + method.constant + ")));";
  if (out.Fits(on_call + by_default)) {
    out.Line(on_call + by_default);
    return;
  }
  out.Line(on_call);
  out.Line("    " + by_default);
}

// Within the parentheses of the macro, where a comma in a type would be one too many.
std::vector<std::string> ParameterTypes(const Method& method) {
  std::vector<std::string> types = HandlerTypes(method);
  for (std::string& type : types) {
    if (type.find(',') != std::string::npos) type.insert(0, 1, '(').append(1, ')');
  }
  return types;
}

void PrintMockMethod(const Method& method, SourceText& out) {
  const std::string head = "MOCK_METHOD(::absl::Status, " + method.function + ",";
  const std::string tail = ", (override));";
  std::string parameters;
  for (const std::string& type : ParameterTypes(method)) {
    parameters += (parameters.empty() ? "(" : ", ") + type;
  }
  parameters += ")";
  if (out.Fits(head + " " + parameters + tail)) {
    out.Line(head + " " + parameters + tail);
    return;
  }
  out.Line(head);
  out.Indent(4);
  if (out.Fits(parameters + tail)) {
    out.Line(parameters + tail);
  } else {
    out.List({"", ParameterTypes(method), tail});
  }
  out.Outdent(4);
}

}  // namespace

void PrintMock(const ServiceDescriptor& service, const Names& names, SourceText& out) {
  const std::string mocked = names.Class(service);
  const std::string name = names.Mock(service);
  const std::vector<Method> methods = MethodsOf(service, names);
  out.Comment(mocked +
              "::Service for tests. Methods that nothing is expected of answer UNIMPLEMENTED.");
  // It would spread gMock's macros in as many ways as there are lengths of names.
  out.Line("// clang-format off");
  out.Line("class " + name + " : public " + mocked + "::Service {");
  out.Line(" public:");
  out.Indent(2);
  if (!methods.empty()) {
    out.Line(name + "() {");
    out.Indent(2);
    for (const Method& method : methods) PrintDefault(method, mocked, out);
    out.Outdent(2);
    out.Line("}");
    out.Line();
  }
  for (const Method& method : methods) PrintMockMethod(method, out);
  out.Outdent(2);
  out.Line("};");
  out.Line("// clang-format on");
}

}  // namespace nigh::codegen
