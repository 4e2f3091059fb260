#include "tests/support/temporary_folder.h"

#include <stdlib.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace nigh::testing {

TemporaryFolder::TemporaryFolder() : path_("/tmp/nigh_XXXXXX") {
  if (::mkdtemp(path_.data()) == nullptr) {
    std::perror("mkdtemp /tmp/nigh_XXXXXX");
    std::abort();
  }
}

TemporaryFolder::~TemporaryFolder() {
  if (!birth_.is_this()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::PathOf(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

}  // namespace nigh::testing
