#ifndef NIGH_CODEGEN_GENERATOR_H_
#define NIGH_CODEGEN_GENERATOR_H_

// protoc-gen-nigh: protoc's plugin that writes nigh's stubs and service classes.
//
//   protoc --plugin=protoc-gen-nigh=PATH --cpp_out=DIR --nigh_out=DIR dir/hello.proto
//
// writes DIR/dir/hello.nigh.h and .nigh.cc beside protobuf's own hello.pb.h and .pb.cc. Bazel users
// have nigh_cc_library (bazel/defs.bzl) do it. --nigh_out=mocks:DIR writes hello_mock.nigh.h, too.
// The parts:
//
//   generator  protobuf's CodeGenerator: checks, then writes the files of each .proto
//   check      what cannot be generated, as "file:line:column: message"
//   names      what the .proto says, in C++ terms, and what happens when names clash; names that
//              mean something to the compiler are in reserved_names and macros
//   printers   the generated code: a source for the files, and one for each class in them
//   template   what the printers print with: texts that look like the code, with $variables$
//
// Generated code has one parameter on a line, so that no template measures names, and asks
// clang-format to leave it so. The plugin links protobuf's compiler library and nigh/options.proto,
// never the runtime.

#include <google/protobuf/compiler/code_generator.h>
#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace nigh::codegen {

// Writes FILE.nigh.h and FILE.nigh.cc for each FILE.proto, next to protobuf's own FILE.pb.h; with
// the parameter "mocks" also FILE_mock.nigh.h. Holds no state.
class Generator : public google::protobuf::compiler::CodeGenerator {
 public:
  // False with an error for the one file; protoc itself calls GenerateAll.
  bool Generate(const google::protobuf::FileDescriptor* file, const std::string& parameter,
                google::protobuf::compiler::GeneratorContext* context,
                std::string* error) const override;

  // False with every file's errors, one "file:line:column: message" a line, and nothing written.
  bool GenerateAll(const std::vector<const google::protobuf::FileDescriptor*>& files,
                   const std::string& parameter,
                   google::protobuf::compiler::GeneratorContext* context,
                   std::string* error) const override;

  uint64_t GetSupportedFeatures() const override { return FEATURE_PROTO3_OPTIONAL; }
};

}  // namespace nigh::codegen

#endif  // NIGH_CODEGEN_GENERATOR_H_
