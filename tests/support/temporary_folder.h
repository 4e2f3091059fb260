#ifndef NIGH_TESTS_SUPPORT_TEMPORARY_FOLDER_H_
#define NIGH_TESTS_SUPPORT_TEMPORARY_FOLDER_H_

#include <string>

#include "absl/strings/string_view.h"
#include "nigh/runtime/base/birth_process.h"

namespace nigh::testing {

// A new folder for its owner alone. It is removed at the end with all that is in it.
//
// It lies in /tmp, because its path has to be short: a socket's path may have 107 bytes, and the
// folders that Bazel makes for tests lie deep.
class TemporaryFolder {
 public:
  // Ends the process if there can be no such folder.
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  // The path of what is called `name` in it.
  std::string PathOf(absl::string_view name) const;

 private:
  const BirthProcess birth_;  // a child of fork(2) does not remove it
  std::string path_;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SUPPORT_TEMPORARY_FOLDER_H_
