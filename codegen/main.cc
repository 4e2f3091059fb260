// protoc-gen-nigh: protoc's plugin that writes nigh's stubs and service classes.
//
//   protoc --plugin=protoc-gen-nigh=PATH --cpp_out=DIR --nigh_out=DIR dir/hello.proto
//
// writes DIR/dir/hello.nigh.h and .nigh.cc beside protobuf's own hello.pb.h and .pb.cc. Bazel users
// have nigh_cc_library (bazel/defs.bzl) do it. --nigh_out=mocks:DIR writes hello_mock.nigh.h, too.
// The parts, each with its header:
//
//   generator        protobuf's CodeGenerator: checks, then writes two files for each .proto
//   check            what cannot be generated, as "file:line:column: message"
//   file_printer     one header or source: includes, version check, namespace
//   service_printer  the class of a service and its table of methods
//   stub_printer     its client; handler_printer: its server; mock_printer: its server in tests
//   method, names    what the .proto says, in C++ terms, and what happens when names clash
//   source_text      lines, comments and argument lists as clang-format would leave them
//
// It links protobuf's compiler library and nigh/options.proto, never the runtime.
#include <google/protobuf/compiler/plugin.h>

#include "codegen/generator.h"

int main(int argc, char** argv) {
  const nigh::codegen::Generator generator;
  return google::protobuf::compiler::PluginMain(argc, argv, &generator);
}
