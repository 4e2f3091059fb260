#ifndef NIGH_CODEGEN_GENERATOR_H_
#define NIGH_CODEGEN_GENERATOR_H_

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
