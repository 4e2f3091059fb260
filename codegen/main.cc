// protoc-gen-nigh: protoc's plugin that writes nigh's stubs and service classes.
//
//   protoc --plugin=protoc-gen-nigh=PATH --cpp_out=DIR --nigh_out=DIR dir/hello.proto
//
// writes DIR/dir/hello.nigh.h and .nigh.cc beside protobuf's own hello.pb.h and .pb.cc. Bazel users
// have nigh_cc_library (bazel/defs.bzl) do it. The parts, each with its header:
//
//   check        what cannot be generated, as "file:line:column: message"
//   names        what C++ calls services, methods and messages, and what happens when names clash
//   source_text  lines, comments and argument lists as clang-format would leave them
//   file_printer the header and the source of one .proto file
//   generator    the above as protobuf's CodeGenerator
//
// It links protobuf's compiler library and nigh/options.proto, never the runtime.
#include <google/protobuf/compiler/plugin.h>

#include "codegen/generator.h"

int main(int argc, char** argv) {
  const nigh::codegen::Generator generator;
  return google::protobuf::compiler::PluginMain(argc, argv, &generator);
}
