#include "tests/contract/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "nigh/transport/address.h"

namespace nigh::testing {
namespace {

constexpr absl::string_view kArgument = "--medium=";

const Subject* chosen = nullptr;

const Subject* Find(absl::string_view name) {
  for (const Subject& medium : Media()) {
    if (medium.name == name) return &medium;
  }
  return nullptr;
}

[[noreturn]] void RefuseArguments(absl::string_view why) {
  const std::string names = absl::StrJoin(
      Media(), ", ",
      [](std::string* out, const Subject& medium) { absl::StrAppend(out, medium.name); });
  const std::string message = absl::StrCat(why, "; the media are: ", names, "\n");
  ::fputs(message.c_str(), stderr);
  ::exit(2);
}

// Short, for a socket's path may not be long, and below /tmp, for test directories are deep.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char pattern[] = "/tmp/nigh_XXXXXX";
    if (::mkdtemp(pattern) != nullptr) path_ = pattern;
  }
  ~TemporaryDirectory() {
    // A child of fork(2) that calls exit(3) does not remove it.
    if (::getpid() != owner_) return;
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  const pid_t owner_ = ::getpid();
  std::string path_;
};

}  // namespace

void ChooseSubject(int* argc, char** argv) {
  char** const end = argv + *argc;
  char** const argument =
      std::find_if(argv, end, [](const char* text) { return absl::StartsWith(text, kArgument); });
  if (argument == end) {
    if (Media().size() != 1) RefuseArguments("--medium=NAME is missing");
    chosen = &Media().front();
    return;
  }
  chosen = Find(absl::StripPrefix(*argument, kArgument));
  if (chosen == nullptr) RefuseArguments(absl::StrCat(*argument, ": no such medium"));
  // With the null pointer that ends them.
  std::copy(argument + 1, end + 1, argument);
  --*argc;
}

std::string SubjectArgument() { return absl::StrCat(kArgument, TheSubject().name); }

const Subject& TheSubject() {
  if (chosen == nullptr) RefuseArguments("main() has not called ChooseSubject()");
  return *chosen;
}

const std::string& SubjectDirectory() {
  static const TemporaryDirectory directory;
  return directory.path();
}

Address FreshAddress() {
  static std::atomic<int> used = 0;
  return Address::Parse(
             absl::StrReplaceAll(TheSubject().address,
                                 {{"{dir}", SubjectDirectory()},
                                  {"{n}", absl::StrCat("nigh-", ::getpid(), "-", ++used)}}))
      .value();
}

}  // namespace nigh::testing
