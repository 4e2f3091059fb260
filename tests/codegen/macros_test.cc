// The macros that names are kept from (codegen/macros.cc), compared with what the compiler says of
// the headers. After an update of the system:
//
//   bazel run //tests/codegen:macros_test -- --update
//
// adds to codegen/macros.cc what it lacks.
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/codegen/protoc.h"

namespace nigh::codegen {
namespace {

constexpr char kUpdate[] = "bazel run //tests/codegen:macros_test -- --update";

// Those of C, of POSIX, and others of Linux.
constexpr const char* kSystem[] = {
    "assert.h",       "complex.h",     "ctype.h",       "errno.h",        "fenv.h",
    "float.h",        "inttypes.h",    "iso646.h",      "limits.h",       "locale.h",
    "math.h",         "setjmp.h",      "signal.h",      "stdalign.h",     "stdarg.h",
    "stdbool.h",      "stddef.h",      "stdint.h",      "stdio.h",        "stdlib.h",
    "string.h",       "tgmath.h",      "threads.h",     "time.h",         "uchar.h",
    "wchar.h",        "wctype.h",      "version",

    "aio.h",          "arpa/inet.h",   "cpio.h",        "dirent.h",       "dlfcn.h",
    "fcntl.h",        "fmtmsg.h",      "fnmatch.h",     "ftw.h",          "glob.h",
    "grp.h",          "iconv.h",       "langinfo.h",    "libgen.h",       "monetary.h",
    "mqueue.h",       "net/if.h",      "netdb.h",       "netinet/in.h",   "netinet/tcp.h",
    "nl_types.h",     "poll.h",        "pthread.h",     "pwd.h",          "regex.h",
    "sched.h",        "search.h",      "semaphore.h",   "spawn.h",        "strings.h",
    "sys/ipc.h",      "sys/mman.h",    "sys/msg.h",     "sys/resource.h", "sys/select.h",
    "sys/sem.h",      "sys/shm.h",     "sys/socket.h",  "sys/stat.h",     "sys/statvfs.h",
    "sys/time.h",     "sys/times.h",   "sys/types.h",   "sys/uio.h",      "sys/un.h",
    "sys/utsname.h",  "sys/wait.h",    "syslog.h",      "tar.h",          "termios.h",
    "ulimit.h",       "unistd.h",      "utime.h",       "utmpx.h",        "wordexp.h",

    "alloca.h",       "byteswap.h",    "endian.h",      "err.h",          "error.h",
    "execinfo.h",     "getopt.h",      "ifaddrs.h",     "malloc.h",       "pty.h",
    "sys/epoll.h",    "sys/eventfd.h", "sys/file.h",    "sys/inotify.h",  "sys/ioctl.h",
    "sys/mount.h",    "sys/param.h",   "sys/prctl.h",   "sys/random.h",   "sys/sendfile.h",
    "sys/signalfd.h", "sys/statfs.h",  "sys/syscall.h", "sys/sysinfo.h",  "sys/sysmacros.h",
    "sys/timerfd.h",  "sys/xattr.h"};

constexpr const char* kLibraries[] = {"gmock/gmock.h", "gtest/gtest.h", "google/protobuf/message.h",
                                      "absl/base/thread_annotations.h"};

bool IsNameCharacter(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// The macros of those headers that a .proto can name, but for their include guards. One that takes
// arguments ends with a "(".
std::set<std::string> MacrosOf(const auto& headers) {
  std::string text;
  for (const char* header : headers) {
    text += std::string("#if __has_include(<") + header + ">)\n#include <" + header + ">\n#endif\n";
  }
  const std::string folder = WriteInput("headers", "headers.cc", text);
  std::set<std::string> macros;
  for (const char* dialect : {"c++20", "gnu++20"}) {
    const ProgramResult result = RunCommand("c++ -std=" + std::string(dialect) + " -dM -E '" +
                                            folder + "/headers.cc' >'" + folder + "/macros'");
    EXPECT_EQ(result.exit_code, 0) << result.errors;
    std::istringstream lines(ReadFile(folder + "/macros"));
    const std::string define = "#define ";
    for (std::string line; std::getline(lines, line);) {
      line.erase(0, define.size());
      const auto end = std::find_if_not(line.begin(), line.end(), IsNameCharacter);
      const std::string name(line.begin(), end + (end != line.end() && *end == '(' ? 1 : 0));
      const bool guard = name.ends_with("_H_") || name.ends_with("_H__");
      if (std::isalpha(static_cast<unsigned char>(name[0])) && !guard) macros.insert(name);
    }
  }
  return macros;
}

std::string WithoutParenthesis(std::string macro) {
  if (macro.back() == '(') macro.pop_back();
  return macro;
}

// The identifiers in generated code, without its directives, comments and strings.
std::set<std::string> IdentifiersOf(const std::string& code) {
  std::set<std::string> names;
  std::istringstream lines(code);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[line.find_first_not_of(' ')] == '#') continue;
    bool quoted = false;
    std::string name;
    for (size_t i = 0; i <= line.size(); ++i) {
      const char c = i < line.size() ? line[i] : ' ';
      if (!quoted && line.compare(i, 2, "//") == 0) break;
      if (c == '"') quoted = !quoted;
      if (!quoted && IsNameCharacter(c)) {
        name += c;
      } else if (!name.empty()) {
        names.insert(name);
        name.clear();
      }
    }
  }
  return names;
}

// Those of `macros` that are names in code that is generated for services and methods called so.
std::set<std::string> MacrosLeft(const std::set<std::string>& macros) {
  std::string proto = "syntax = 'proto3';\npackage all.of.them;\nmessage M {}\nservice S {\n";
  std::string services;
  for (const std::string& macro : macros) {
    const std::string name = WithoutParenthesis(macro);
    proto += "  rpc " + name + "(M) returns (M);\n";
    services += "service " + name + " {}\n";
  }
  const std::string folder = WriteInput("macros", "macros.proto", proto + "}\n" + services);
  const ProgramResult result = RunProtoc({"-I" + folder, "macros.proto"}, "mocks:" + folder);
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  std::set<std::string> names;
  for (const char* file : {"macros.nigh.h", "macros.nigh.cc", "macros_mock.nigh.h"}) {
    names.merge(IdentifiersOf(ReadFile(folder + "/" + file)));
  }
  // What mocks are written with.
  names.erase("MOCK_METHOD");
  names.erase("ON_CALL");
  std::set<std::string> left;
  for (const std::string& macro : macros) {
    if (names.contains(WithoutParenthesis(macro))) left.insert(macro);
  }
  return left;
}

// Adds to codegen/macros.cc in the source tree, in alphabetical order.
int Update() {
  const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  if (workspace == nullptr) {
    std::cerr << "macros_test: --update works under bazel run: " << kUpdate << "\n";
    return 1;
  }
  const std::string path = std::string(workspace) + "/codegen/macros.cc";
  const std::string text = ReadFile(path);
  const size_t begin = text.find("R\"(\n") + 4;
  const size_t end = text.find(")\"", begin);
  std::set<std::string> all = MacrosLeft(MacrosOf(kSystem));
  std::istringstream known(text.substr(begin, end - begin));
  for (std::string name; known >> name;) all.insert(name);
  const auto lower = [](std::string name) {
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return name;
  };
  std::vector<std::string> sorted(all.begin(), all.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const auto& a, const auto& b) { return lower(a) < lower(b); });
  constexpr size_t kColumns = 100;
  std::string lines, line;
  for (const std::string& name : sorted) {
    if (!line.empty() && line.size() + 1 + name.size() > kColumns) {
      lines += line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + name;
  }
  std::ofstream(path) << text.substr(0, begin) << lines << line << "\n" << text.substr(end);
  return testing::Test::HasFailure() ? 1 : 0;
}

std::string Joined(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += name + " ";
  return text;
}

TEST(MacrosTest, NothingGeneratedIsCalledLikeAMacroOfTheSystem) {
  const std::set<std::string> macros = MacrosOf(kSystem);
  for (const char* expected : {"assert(", "errno", "EOF", "SIGTERM", "major(", "unix"}) {
    EXPECT_TRUE(macros.contains(expected)) << expected;
  }
  EXPECT_EQ(Joined(MacrosLeft(macros)), "") << "to add them to codegen/macros.cc: " << kUpdate;
}

TEST(MacrosTest, NothingGeneratedIsCalledLikeAMacroOfALibrary) {
  const std::set<std::string> macros = MacrosOf(kLibraries);
  for (const char* expected : {"FAIL(", "SUCCEED(", "EXPECT_EQ("}) {
    EXPECT_TRUE(macros.contains(expected)) << expected;
  }
  EXPECT_EQ(Joined(MacrosLeft(macros)), "") << "they belong into codegen/reserved_names.cc";
}

}  // namespace
}  // namespace nigh::codegen

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc > 1 && std::string(argv[1]) == "--update") return nigh::codegen::Update();
  return RUN_ALL_TESTS();
}
