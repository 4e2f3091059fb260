#include "tests/codegen/protoc.h"

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace nigh::codegen {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  EXPECT_NE(value, nullptr) << name << " is not set; run this test with bazel test";
  return value == nullptr ? "" : value;
}

std::string Quoted(const std::string& argument) { return "'" + argument + "'"; }

}  // namespace

ProgramResult RunCommand(const std::string& command) {
  const std::string errors = testing::TempDir() + "/stderr";
  const int status = std::system((command + " 2>" + Quoted(errors)).c_str());
  ProgramResult result;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  result.errors = ReadFile(errors);
  return result;
}

ProgramResult RunProtoc(const std::vector<std::string>& arguments, const std::string& output) {
  std::string command = Quoted(Environment("PROTOC"));
  for (const std::string& argument : arguments) command += " " + Quoted(argument);
  command += " " + Quoted("--plugin=protoc-gen-nigh=" + Environment("PROTOC_GEN_NIGH"));
  return RunCommand(command + " " + Quoted("--nigh_out=" + output));
}

std::string WriteInput(const std::string& test, const std::string& name, const std::string& text) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / test;
  const std::filesystem::path path = folder / name;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
  return folder;
}

std::string MakeFolder(const std::string& name) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / name;
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << "cannot read " << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace nigh::codegen
