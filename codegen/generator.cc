#include "codegen/generator.h"

#include <google/protobuf/compiler/code_generator.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/zero_copy_stream.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "codegen/check.h"
#include "codegen/names.h"
#include "codegen/printers.h"
#include "codegen/template.h"

namespace nigh::codegen {
namespace {

using google::protobuf::FileDescriptor;
using google::protobuf::compiler::GeneratorContext;
using google::protobuf::io::ZeroCopyOutputStream;

// Generates the file `name` by what `print` prints for `file`.
void Write(const std::string& name, const FileDescriptor& file, const Names& names,
           void (*print)(Printer&, const FileDescriptor&, const Names&),
           GeneratorContext* context) {
  const std::unique_ptr<ZeroCopyOutputStream> stream(context->Open(name));
  Printer out(stream.get(), '$');
  print(out, file, names);
}

struct Parameters {
  bool mocks = false;
};

// protoc passes what stands before the colon of --nigh_out=PARAMETERS:DIR, or --nigh_opt. Returns
// what is wrong with it.
std::string ParseParameters(const std::string& text, Parameters& parameters) {
  std::vector<std::pair<std::string, std::string>> pairs;
  google::protobuf::compiler::ParseGeneratorParameter(text, &pairs);
  for (const auto& [name, value] : pairs) {
    if (name != "mocks") {
      return "unknown parameter \"" + name +
             "\": protoc-gen-nigh knows mocks, write --nigh_out=DIR or --nigh_out=mocks:DIR";
    }
    if (!value.empty()) {
      return "parameter mocks has the value \"" + value + "\": write it without one";
    }
    parameters.mocks = true;
  }
  return "";
}

}  // namespace

bool Generator::Generate(const FileDescriptor* file, const std::string& parameter,
                         GeneratorContext* context, std::string* error) const {
  return GenerateAll({file}, parameter, context, error);
}

bool Generator::GenerateAll(const std::vector<const FileDescriptor*>& files,
                            const std::string& parameter, GeneratorContext* context,
                            std::string* error) const {
  Parameters parameters;
  *error = ParseParameters(parameter, parameters);
  if (!error->empty()) return false;

  std::vector<std::string> problems;
  for (const FileDescriptor* file : files) CheckFile(*file, problems);
  for (const std::string& problem : problems) *error += (error->empty() ? "" : "\n") + problem;
  if (!error->empty()) return false;

  for (const FileDescriptor* file : files) {
    const Names names(*file);
    Write(names.Header(), *file, names, PrintHeader, context);
    Write(names.Source(), *file, names, PrintSource, context);
    if (parameters.mocks) Write(names.MockHeader(), *file, names, PrintMockHeader, context);
  }
  return true;
}

}  // namespace nigh::codegen
