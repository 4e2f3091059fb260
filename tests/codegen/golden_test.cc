// What protoc-gen-nigh writes for protos/*.proto, compared with golden/. After a wanted change:
//
//   bazel run //tests/codegen:golden_test -- --update
//
// writes golden/ anew; review the difference like any other code.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/codegen/protoc.h"

namespace nigh::codegen {
namespace {

constexpr char kProtos[] = "tests/codegen/protos";
constexpr char kGolden[] = "tests/codegen/golden";
constexpr char kUpdate[] = "bazel run //tests/codegen:golden_test -- --update";

std::vector<std::filesystem::path> FilesIn(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Generates for every .proto of this folder; the folder of what came out.
std::filesystem::path Generate() {
  const std::string output = MakeFolder("generated");
  std::vector<std::string> arguments = {"-I.", "-Iproto"};
  for (const auto& proto : FilesIn(kProtos)) arguments.push_back(proto);
  const ProgramResult result = RunProtoc(arguments, "mocks:" + output);
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  return std::filesystem::path(output) / kProtos;
}

// Writes golden/ in the source tree. What this program sees of it is Bazel's copy.
int Update() {
  const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  if (workspace == nullptr) {
    std::cerr << "golden_test: --update works under bazel run: " << kUpdate << "\n";
    return 1;
  }
  const std::filesystem::path golden = std::filesystem::path(workspace) / kGolden;
  std::filesystem::remove_all(golden);
  std::filesystem::create_directories(golden);
  for (const auto& file : FilesIn(Generate())) {
    std::ofstream(golden / file.filename()) << ReadFile(file);
    std::cout << "wrote " << golden / file.filename() << "\n";
  }
  return testing::Test::HasFailure() ? 1 : 0;
}

TEST(GoldenTest, GeneratedCodeIsAsReviewed) {
  std::vector<std::string> generated;
  for (const auto& file : FilesIn(Generate())) {
    generated.push_back(file.filename());
    const std::filesystem::path golden = std::filesystem::path(kGolden) / file.filename();
    if (!std::filesystem::exists(golden)) {
      ADD_FAILURE() << "no " << golden << "; if the new file is wanted: " << kUpdate;
      continue;
    }
    const ProgramResult difference =
        RunCommand("diff -u '" + golden.string() + "' '" + file.string() + "' >&2");
    EXPECT_EQ(difference.exit_code, 0)
        << difference.errors << "\nIf this change of " << golden << " is wanted: " << kUpdate;
  }
  std::vector<std::string> reviewed;
  for (const auto& file : FilesIn(kGolden)) reviewed.push_back(file.filename());
  EXPECT_EQ(generated, reviewed) << "golden/ holds other files; if that is wanted: " << kUpdate;
}

TEST(GoldenTest, OneRunOfProtocGeneratesTheSameAsOneForEachFile) {
  const std::filesystem::path together = Generate();
  const std::string output = MakeFolder("one_by_one");
  for (const auto& proto : FilesIn(kProtos)) {
    const ProgramResult result = RunProtoc({"-I.", "-Iproto", proto}, "mocks:" + output);
    ASSERT_EQ(result.exit_code, 0) << result.errors;
  }
  for (const auto& file : FilesIn(std::filesystem::path(output) / kProtos)) {
    EXPECT_EQ(ReadFile(file), ReadFile(together / file.filename())) << file;
  }
}

}  // namespace
}  // namespace nigh::codegen

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc > 1 && std::string(argv[1]) == "--update") return nigh::codegen::Update();
  return RUN_ALL_TESTS();
}
