#ifndef NIGH_CODEGEN_METHOD_H_
#define NIGH_CODEGEN_METHOD_H_

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

#include "codegen/names.h"
#include "codegen/source_text.h"

namespace nigh::codegen {

// One method of a service, as those who print code for it need it.
struct Method {
  Method(const google::protobuf::MethodDescriptor& descriptor, const Names& names)
      : descriptor(descriptor),
        function(names.Function(descriptor)),
        async_function(names.Derived("Async", descriptor)),
        co_function(names.Derived("Co", descriptor)),
        request(names.Message(*descriptor.input_type(), *descriptor.service())),
        reply(names.Message(*descriptor.output_type(), *descriptor.service())),
        bound("methods_[" + std::to_string(descriptor.index()) + "]"),
        constant("kMethods[" + std::to_string(descriptor.index()) + "]"),
        client_streams(descriptor.client_streaming()),
        server_streams(descriptor.server_streaming()) {}

  const google::protobuf::MethodDescriptor& descriptor;
  std::string function;
  std::string async_function;  // with a callback
  std::string co_function;     // for coroutines
  std::string request;         // its type
  std::string reply;           // its type
  std::string bound;           // the method on a stub's channel
  std::string constant;        // its description
  bool client_streams;
  bool server_streams;
};

// All of them, in the order of the .proto.
std::vector<Method> MethodsOf(const google::protobuf::ServiceDescriptor& service,
                              const Names& names);

// The comments of the .proto: those standing free above, above, and behind.
void PrintComment(const google::protobuf::ServiceDescriptor& service, SourceText& out);
void PrintComment(const google::protobuf::MethodDescriptor& method, SourceText& out);

}  // namespace nigh::codegen

#endif  // NIGH_CODEGEN_METHOD_H_
