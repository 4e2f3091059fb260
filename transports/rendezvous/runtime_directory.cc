#include "nigh/transports/rendezvous/runtime_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace nigh {
namespace {

// What is in the environment may be another user's: su and sudo -E leave it there. A directory of
// ours in there would keep that user out.
bool IsAnothers(const std::string& directory) {
  struct stat found;
  return ::stat(directory.c_str(), &found) == 0 && found.st_uid != ::geteuid();
}

std::vector<std::string> Directories() {
  std::vector<std::string> directories = {
      absl::StrCat("/tmp/nigh-", ::geteuid()),
      absl::StrCat("/run/user/", ::geteuid(), "/nigh"),
  };
  const char* const given = std::getenv("XDG_RUNTIME_DIR");
  if (given != nullptr && given[0] == '/' && !IsAnothers(given)) {
    const std::filesystem::path path = std::filesystem::path(given) / "nigh";
    std::string directory = path.lexically_normal().string();
    if (!absl::c_linear_search(directories, directory)) directories.push_back(std::move(directory));
  }
  return directories;
}

std::string DirectoryOf(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

absl::Status SystemsAnswer(absl::string_view operation, const std::string& directory) {
  return absl::Status(
      absl::ErrnoToStatusCode(errno),
      absl::StrCat(operation, directory, ": ", std::generic_category().message(errno)));
}

// /tmp is everybody's: what is there already may be a trap.
absl::Status CheckPrivate(const std::string& directory) {
  struct stat found;
  if (::lstat(directory.c_str(), &found) != 0) return SystemsAnswer("", directory);
  if (S_ISDIR(found.st_mode) && found.st_uid == ::geteuid() && (found.st_mode & 077) == 0) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      directory, " is not a directory of this user's alone (remove it, or chmod it to 0700)"));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> MeetingPaths(absl::string_view name,
                                                      absl::string_view where) {
  if (name.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "address \"", where, "\": there is no name (write a name, or a path with a slash in it)"));
  }
  if (absl::StrContains(name, '/')) return std::vector<std::string>{std::string(name)};
  std::vector<std::string> paths = Directories();
  for (std::string& path : paths) absl::StrAppend(&path, "/", name);
  return paths;
}

absl::Status CheckDirectoryOf(const std::string& path) { return CheckPrivate(DirectoryOf(path)); }

absl::Status MakeDirectoryOf(const std::string& path) {
  const std::string directory = DirectoryOf(path);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return SystemsAnswer("make ", directory);
  }
  if (absl::Status status = CheckPrivate(directory); !status.ok()) return status;
  if (::faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    return SystemsAnswer("write to ", directory);
  }
  return absl::OkStatus();
}

std::string AbsolutePath(const std::string& path) {
  std::error_code ignored;
  std::string absolute = std::filesystem::absolute(path, ignored).string();
  return absolute.empty() ? path : absolute;
}

}  // namespace nigh
