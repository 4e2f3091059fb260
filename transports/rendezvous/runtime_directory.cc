#include "nigh/transports/rendezvous/runtime_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/errno_status.h"

namespace nigh {
namespace {

std::string RuntimeDirectory() {
  const char* const given = std::getenv("XDG_RUNTIME_DIR");
  if (given != nullptr && given[0] == '/') return absl::StrCat(given, "/nigh");
  return absl::StrCat("/tmp/nigh-", ::geteuid());
}

// /tmp is everybody's: what is there already may be a trap.
absl::Status MakePrivate(const std::string& directory, absl::string_view where) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(absl::ErrnoToStatusCode(errno), errno, where,
                       absl::StrCat("make the directory ", directory));
  }
  struct stat found;
  if (::lstat(directory.c_str(), &found) != 0) {
    return ErrnoStatus(absl::ErrnoToStatusCode(errno), errno, where,
                       absl::StrCat("look at ", directory));
  }
  if (S_ISDIR(found.st_mode) && found.st_uid == ::geteuid() && (found.st_mode & 077) == 0) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(where, ": ", directory,
                   " is not a directory of this user's alone (remove it, chmod it to 0700, or set "
                   "XDG_RUNTIME_DIR; or give a path, with a slash in it, instead of a name)"));
}

}  // namespace

absl::StatusOr<std::string> MeetingPath(absl::string_view name, absl::string_view where) {
  if (name.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "address \"", where, "\": there is no name (write a name, or a path with a slash in it)"));
  }
  if (absl::StrContains(name, '/')) return std::string(name);
  const std::string directory = RuntimeDirectory();
  if (absl::Status status = MakePrivate(directory, where); !status.ok()) return status;
  return absl::StrCat(directory, "/", name);
}

std::string AbsolutePath(const std::string& path) {
  std::error_code ignored;
  std::string absolute = std::filesystem::absolute(path, ignored).string();
  return absolute.empty() ? path : absolute;
}

}  // namespace nigh
