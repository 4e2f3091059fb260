#ifndef NIGH_CODEGEN_TEMPLATE_H_
#define NIGH_CODEGEN_TEMPLATE_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/printer.h>

#include <map>
#include <string>
#include <vector>

#include "codegen/names.h"

namespace nigh::codegen {

using google::protobuf::io::Printer;

// What $name$ in a template stands for.
using Variables = std::map<std::string, std::string>;

// Prints `text`, a raw string that begins with a line end behind its opening parenthesis. That one
// is left out.
void Print(Printer& out, const Variables& variables, const char* text);

// A text for each kind of method.
struct ByKind {
  const char* unary;
  const char* server_streaming;
  const char* client_streaming;
  const char* bidi_streaming;

  const char* Of(const google::protobuf::MethodDescriptor& method) const;
};

// Of a service: service (its class), full_name, method_count, deprecated (the attribute or
// nothing).
Variables VariablesOf(const google::protobuf::ServiceDescriptor& service, const Names& names);

struct Method {
  const google::protobuf::MethodDescriptor& descriptor;
  // Those of the service, and: name, index, function, async_function (with a callback), co_function
  // (for coroutines), request, reply (their types); deprecated is the method's own.
  Variables variables;
};

// In the order of the .proto. `more` joins the variables of each.
std::vector<Method> MethodsOf(const google::protobuf::ServiceDescriptor& service,
                              const Names& names, const Variables& more = {});

// The comments of the .proto: those standing free above, above, and behind.
void PrintComment(Printer& out, const google::protobuf::SourceLocation& location);

// Those of a service or method.
template <typename Descriptor>
void PrintCommentOf(Printer& out, const Descriptor& descriptor) {
  google::protobuf::SourceLocation location;
  if (descriptor.GetSourceLocation(&location)) PrintComment(out, location);
}

}  // namespace nigh::codegen

#endif  // NIGH_CODEGEN_TEMPLATE_H_
