#include "codegen/generator.h"

#include <google/protobuf/compiler/code_generator.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "codegen/check.h"
#include "codegen/file_printer.h"
#include "codegen/names.h"

namespace nigh::codegen {
namespace {

using google::protobuf::FileDescriptor;
using google::protobuf::compiler::GeneratorContext;

void Write(const std::string& name, const std::string& text, GeneratorContext* context) {
  std::unique_ptr<google::protobuf::io::ZeroCopyOutputStream> file(context->Open(name));
  google::protobuf::io::CodedOutputStream stream(file.get());
  stream.WriteString(text);
}

// protoc passes what stands before the colon of --nigh_out=PARAMETERS:DIR, or --nigh_opt.
std::string CheckParameters(const std::string& parameter) {
  std::vector<std::pair<std::string, std::string>> parameters;
  google::protobuf::compiler::ParseGeneratorParameter(parameter, &parameters);
  if (parameters.empty()) return "";
  return "unknown parameter \"" + parameters[0].first +
         "\": protoc-gen-nigh takes none, write --nigh_out=DIR";
}

}  // namespace

bool Generator::Generate(const FileDescriptor* file, const std::string& parameter,
                         GeneratorContext* context, std::string* error) const {
  return GenerateAll({file}, parameter, context, error);
}

bool Generator::GenerateAll(const std::vector<const FileDescriptor*>& files,
                            const std::string& parameter, GeneratorContext* context,
                            std::string* error) const {
  *error = CheckParameters(parameter);
  if (!error->empty()) return false;

  std::vector<std::string> problems;
  for (const FileDescriptor* file : files) CheckFile(*file, problems);
  for (const std::string& problem : problems) *error += (error->empty() ? "" : "\n") + problem;
  if (!error->empty()) return false;

  for (const FileDescriptor* file : files) {
    const Names names(*file);
    Write(names.Header(), HeaderText(*file, names), context);
    Write(names.Source(), SourceFileText(*file, names), context);
  }
  return true;
}

}  // namespace nigh::codegen
