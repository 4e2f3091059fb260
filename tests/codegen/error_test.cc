// What protoc-gen-nigh says about a .proto or a parameter that it cannot work with.
#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "tests/codegen/protoc.h"

namespace nigh::codegen {
namespace {

// What protoc and the plugin say about `proto`, in a file of that text. Nothing may be generated.
std::string Errors(const std::string& proto, const std::string& parameters = "") {
  const std::string test = testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string folder = WriteInput(test, "dir/bad.proto", proto);
  const std::string output = MakeFolder(test + ".out");
  const ProgramResult result = RunProtoc({"-Iproto", "-I" + folder, "dir/bad.proto"},
                                         parameters.empty() ? output : parameters + ":" + output);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(std::filesystem::is_empty(output));
  return result.errors;
}

TEST(ErrorTest, UnknownParameterIsNamed) {
  EXPECT_EQ(Errors("syntax = 'proto3';", "async,mocks"),
            "--nigh_out: unknown parameter \"async\": protoc-gen-nigh knows mocks, write "
            "--nigh_out=DIR or --nigh_out=mocks:DIR\n");
}

TEST(ErrorTest, ParameterWithAValueIsRefused) {
  EXPECT_EQ(Errors("syntax = 'proto3';", "mocks=true"),
            "--nigh_out: parameter mocks has the value \"true\": write it without one\n");
}

TEST(ErrorTest, InlineDispatchOfAStreamingMethodIsRefusedAtItsLine) {
  EXPECT_EQ(Errors("syntax = 'proto3';\n"
                   "package p;\n"
                   "import 'nigh/options.proto';\n"
                   "message M {}\n"
                   "service S {\n"
                   "  rpc Fine(M) returns (M) { option (nigh.dispatch) = INLINE; }\n"
                   "  rpc Bad(M) returns (stream M) { option (nigh.dispatch) = INLINE; }\n"
                   "}\n"),
            "--nigh_out: dir/bad.proto:7:3: method \"p.S.Bad\" has (nigh.dispatch) = INLINE, but a "
            "streaming handler waits for its peer and would stop the thread that receives: remove "
            "the option\n");
}

TEST(ErrorTest, CallersThatContradictEachOtherAreRefusedAtTheirLines) {
  EXPECT_EQ(
      Errors("syntax = 'proto3';\n"
             "package p;\n"
             "import 'nigh/options.proto';\n"
             "option (nigh.file_allow) = { anybody: true root: true };\n"
             "message M {}\n"
             "service S {\n"
             "  option (nigh.service_allow) = { same_user: false };\n"
             "  rpc Fine(M) returns (M) { option (nigh.allow) = { users: 'ann' }; }\n"
             "  rpc Empty(M) returns (M) { option (nigh.allow) = { groups: '' root: true }; }\n"
             "  rpc Star(M) returns (M) { option (nigh.allow) = { users: '*' }; }\n"
             "}\n"),
      "--nigh_out: dir/bad.proto:4:1: option (nigh.file_allow) says anybody, and names "
      "others, whom that includes: remove anybody or the others\n"
      "dir/bad.proto:6:1: service \"p.S\": option (nigh.service_allow) names nobody, so that "
      "no call would ever be let through: say same_user: true, root: true, users, groups or "
      "anybody: true, or remove the option\n"
      "dir/bad.proto:9:3: method \"p.S.Empty\": option (nigh.allow) names a user or group "
      "\"\": give a name or a number, or remove the entry\n"
      "dir/bad.proto:10:3: method \"p.S.Star\": option (nigh.allow) names a user or group "
      "\"*\", which is nobody's name: say anybody: true, alone\n");
}

// It is not overlooked.
TEST(ErrorTest, TheMethodsOptionOnAServiceIsProtocsOwnError) {
  const std::string errors = Errors(
      "syntax = 'proto3';\n"
      "import 'nigh/options.proto';\n"
      "service S {\n"
      "  option (nigh.allow) = { root: true };\n"
      "}\n");
  EXPECT_NE(errors.find("dir/bad.proto:4:10: "), std::string::npos) << errors;
  EXPECT_NE(errors.find("ServiceOptions"), std::string::npos) << errors;
}

TEST(ErrorTest, PackageThatIsNoNamespaceIsRefused) {
  EXPECT_EQ(Errors("syntax = 'proto3';\n"
                   "\n"
                   "package shop.export.v1;\n"
                   "service S {}\n"),
            "--nigh_out: dir/bad.proto:3:1: package \"shop.export.v1\" has the part \"export\", a "
            "C++ keyword that cannot name a namespace: rename the package\n");
}

TEST(ErrorTest, PackageThatIsAMacroIsRefused) {
  EXPECT_EQ(
      Errors("syntax = 'proto3';\n"
             "package linux.errno;\n"
             "service S {}\n"),
      "--nigh_out: dir/bad.proto:2:1: package \"linux.errno\" has the part \"errno\", a macro "
      "of the system's headers that cannot name a namespace: rename the package\n");
}

// Protobuf's own header would not compile either, and not say why.
TEST(ErrorTest, PackageThatIsAMacroInGnusDialectIsTheFirstErrorOfTheCompiler) {
  const std::string folder = WriteInput("dialect", "hello.proto",
                                        "syntax = 'proto3';\n"
                                        "package my.unix;\n"
                                        "message M {}\n"
                                        "service S { rpc Do(M) returns (M); }\n");
  ASSERT_EQ(RunProtoc({"-I" + folder, "--cpp_out=" + folder, "hello.proto"}, folder).exit_code, 0);
  const std::string compile =
      "c++ -fsyntax-only -Wfatal-errors -I'" + folder + "' '" + folder + "/hello.nigh.cc' -std=";
  const std::string remedy =
      "the package my.unix has the part unix, a macro of this dialect of C++: compile with "
      "-std=c++20 instead of -std=gnu++20, or with -Uunix";
  EXPECT_NE(RunCommand(compile + "gnu++20").errors.find(remedy), std::string::npos)
      << RunCommand(compile + "gnu++20").errors;
  EXPECT_EQ(RunCommand(compile + "c++20").errors.find(remedy), std::string::npos);
}

TEST(ErrorTest, GenericServicesOfProtobufAreRefused) {
  EXPECT_EQ(Errors("syntax = 'proto3';\n"
                   "option cc_generic_services = true;\n"
                   "service S {}\n"),
            "--nigh_out: dir/bad.proto:3:1: option cc_generic_services makes protobuf generate a "
            "class \"S\" of its own: remove the option\n");
}

TEST(ErrorTest, EveryErrorIsReportedAtOnce) {
  EXPECT_EQ(Errors("syntax = 'proto3';\n"
                   "option cc_generic_services = true;\n"
                   "package new;\n"
                   "service S {}\n"),
            "--nigh_out: dir/bad.proto:3:1: package \"new\" has the part \"new\", a C++ keyword "
            "that cannot name a namespace: rename the package\n"
            "dir/bad.proto:4:1: option cc_generic_services makes protobuf generate a class \"S\" "
            "of its own: remove the option\n");
}

// As from a build system that keeps descriptors instead of .proto files.
TEST(ErrorTest, WithoutLinesTheFileIsNamed) {
  const std::string folder = WriteInput("descriptors", "bad.proto",
                                        "syntax = 'proto3';\n"
                                        "option cc_generic_services = true;\n"
                                        "service S {}\n");
  const std::string set = folder + "/set.pb";
  ASSERT_EQ(RunCommand("$PROTOC -I'" + folder + "' --descriptor_set_out='" + set + "' bad.proto")
                .exit_code,
            0);
  EXPECT_EQ(RunProtoc({"--descriptor_set_in=" + set, "bad.proto"}, MakeFolder("out")).errors,
            "--nigh_out: bad.proto: option cc_generic_services makes protobuf generate a class "
            "\"S\" of its own: remove the option\n");
}

TEST(ErrorTest, UnknownDispatchIsProtocsOwnError) {
  const std::string errors = Errors(
      "syntax = 'proto3';\n"
      "import 'nigh/options.proto';\n"
      "message M {}\n"
      "service S {\n"
      "  rpc Bad(M) returns (M) { option (nigh.dispatch) = LATER; }\n"
      "}\n");
  EXPECT_NE(errors.find("dir/bad.proto:5:53: "), std::string::npos) << errors;
  EXPECT_NE(errors.find("\"LATER\""), std::string::npos) << errors;
}

TEST(ErrorTest, GarbageInsteadOfARequestIsAnErrorAndNoCrash) {
  const ProgramResult result = RunCommand("echo garbage | $PROTOC_GEN_NIGH");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.errors.find("protoc"), std::string::npos) << result.errors;
}

// The runtime's header says which generated code it fits; here one says that it fits a later one.
TEST(ErrorTest, RuntimeOfAnotherVersionIsTheFirstErrorOfTheCompiler) {
  const std::string folder = WriteInput("version", "hello.proto",
                                        "syntax = 'proto3';\n"
                                        "message M {}\n"
                                        "service S { rpc Do(M) returns (M); }\n");
  WriteInput("version", "nigh/generated.h",
             "#pragma once\n"
             "namespace nigh { inline constexpr int kGeneratedCodeVersion = 1000000; }\n");
  ASSERT_EQ(RunProtoc({"-I" + folder, "--cpp_out=" + folder, "hello.proto"}, folder).exit_code, 0);

  const ProgramResult result = RunCommand("c++ -std=c++20 -fsyntax-only -Wfatal-errors -I'" +
                                          folder + "' '" + folder + "/hello.nigh.cc'");

  EXPECT_NE(result.exit_code, 0);
  EXPECT_NE(result.errors.find("this file was generated for another version of nigh: generate it "
                               "again with the protoc-gen-nigh that belongs to this "
                               "nigh/generated.h"),
            std::string::npos)
      << result.errors;
}

}  // namespace
}  // namespace nigh::codegen
