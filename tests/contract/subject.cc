#include "tests/contract/subject.h"

#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "nigh/transport/address.h"

namespace nigh::testing {
namespace {

// Short, for a socket's path may not be long, and below /tmp, for test directories are deep.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char pattern[] = "/tmp/nigh_XXXXXX";
    if (::mkdtemp(pattern) != nullptr) path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

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
