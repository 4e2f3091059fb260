#ifndef NIGH_TESTS_CODEGEN_PROTOC_H_
#define NIGH_TESTS_CODEGEN_PROTOC_H_

#include <string>
#include <vector>

namespace nigh::codegen {

struct ProgramResult {
  int exit_code = 0;   // -1 when a signal ended it
  std::string errors;  // its stderr
};

// Runs a shell command and waits for it.
ProgramResult RunCommand(const std::string& command);

// Runs protoc with the plugin, both handed to the test by Bazel in $PROTOC and $PROTOC_GEN_NIGH.
// `arguments` go before the plugin's --nigh_out=`output`.
ProgramResult RunProtoc(const std::vector<std::string>& arguments, const std::string& output);

// Writes TEST_TMPDIR/`test`/`name`, makes its folders, and returns TEST_TMPDIR/`test`.
std::string WriteInput(const std::string& test, const std::string& name, const std::string& text);

// An empty folder of that name below TEST_TMPDIR.
std::string MakeFolder(const std::string& name);

// The whole file; a failed expectation and "" when there is none.
std::string ReadFile(const std::string& path);

}  // namespace nigh::codegen

#endif  // NIGH_TESTS_CODEGEN_PROTOC_H_
