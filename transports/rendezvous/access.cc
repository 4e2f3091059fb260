#include "nigh/transports/rendezvous/access.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/base/accounts.h"
#include "nigh/transport/address.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/rendezvous/runtime_directory.h"

namespace nigh {
namespace {

constexpr mode_t kOwners = 0600;

std::optional<mode_t> ParseMode(absl::string_view text) {
  bool sensible =
      text.size() <= 4 && absl::c_all_of(text, [](char c) { return c >= '0' && c <= '7'; });
  mode_t mode = 0;
  for (const char digit : text.substr(0, 4)) mode = 8 * mode + static_cast<mode_t>(digit - '0');
  sensible = sensible && mode <= 0777 && (mode & kOwners) == kOwners;
  return sensible ? std::optional<mode_t>(mode) : std::nullopt;
}

absl::Status Refuse(const Address& address, absl::string_view key, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("address \"", address.ToString(), "\": ", key, "=",
                                                 address.Parameter(key), " (", why, ")"));
}

// Whether nobody but `user` and root may write to the folder or to one above it.
bool LiesInHandsOf(uid_t user, std::filesystem::path folder) {
  for (;; folder = folder.parent_path()) {
    struct stat found;
    if (::stat(folder.c_str(), &found) != 0 || (found.st_mode & 022) != 0) return false;
    const std::optional<uid_t> owner = KnownUser(found.st_uid);
    if (owner != user && owner != 0) return false;
    if (folder == folder.parent_path()) return true;
  }
}

}  // namespace

absl::StatusOr<Access> Access::Of(const Address& address) {
  Access access;
  if (const absl::string_view name = address.Parameter("group"); !name.empty()) {
    access.group = FindGroup(name);
    access.mode = 0660;
    if (!access.group.has_value()) {
      return Refuse(address, "group", "there is no such group; use a name or a number");
    }
  }
  if (const absl::string_view text = address.Parameter("mode"); !text.empty()) {
    const std::optional<mode_t> mode = ParseMode(text);
    if (!mode.has_value()) {
      return Refuse(address, "mode",
                    "use an octal number up to 0777 that lets the owner read and write, as 0660");
    }
    access.mode = *mode;
  }
  return access;
}

absl::Status Access::ApplyTo(int fd, absl::string_view where) const {
  if (group.has_value() && ::fchownat(fd, "", static_cast<uid_t>(-1), *group, AT_EMPTY_PATH) != 0) {
    return ErrnoStatus(absl::ErrnoToStatusCode(errno), errno, where,
                       absl::StrCat("listen: give it to group ", *group,
                                    " (the server has to be a member of it)"));
  }
  // By its name in proc(5): fchmod(2) takes no O_PATH.
  const std::string name = absl::StrCat("/proc/self/fd/", fd);
  if (::fchmod(fd, mode) == 0 || ::chmod(name.c_str(), mode) == 0) return absl::OkStatus();
  return ErrnoStatus(absl::ErrnoToStatusCode(errno), errno, where, "listen: chmod");
}

absl::Status ConnectErrno(int error_number, absl::string_view where, absl::string_view operation) {
  if (error_number != EACCES) return UnavailableErrno(error_number, where, operation);
  return absl::PermissionDeniedError(
      absl::StrCat(where, ": ", operation,
                   ": Permission denied (the server's address does not let user ", ::geteuid(),
                   " through: it may have a mode= or group= that does, or a folder above it may be "
                   "closed)"));
}

absl::Status CheckAccessOfPaths(const Address& address, const std::vector<std::string>& paths) {
  for (const absl::string_view key : {"mode", "group"}) {
    if (paths.size() == 1 || address.Parameter(key).empty()) continue;
    return Refuse(address, key,
                  "a name is met where no other user may look; give a path, with a slash in it");
  }
  return absl::OkStatus();
}

std::optional<uid_t> OwnerOfPath(const Address& address) {
  std::error_code error;
  const std::filesystem::path named =
      std::filesystem::path(AbsolutePath(address.name)).parent_path();
  const std::filesystem::path meant = std::filesystem::canonical(named, error);
  if (error) return std::nullopt;
  struct stat folder;
  if (::stat(meant.c_str(), &folder) != 0) return std::nullopt;
  const std::optional<uid_t> owner = KnownUser(folder.st_uid);
  // Both ways there, for whoever may change one may lead it elsewhere.
  const bool his =
      owner.has_value() && LiesInHandsOf(*owner, named) && LiesInHandsOf(*owner, meant);
  return his ? owner : std::nullopt;
}

std::optional<uid_t> OwnerOfMeetingPath(const Address& address) {
  return absl::StrContains(address.name, '/') ? OwnerOfPath(address) : std::nullopt;
}

}  // namespace nigh
