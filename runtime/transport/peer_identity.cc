#include "nigh/peer_identity.h"

#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "nigh/runtime/base/pidfd.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {
namespace {

// What a process may do at most. Nothing: there is none of that number.
std::optional<uint64_t> PermittedCapabilities(pid_t pid) {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = pid};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data = {};
  if (::syscall(SYS_capget, &header, data.data()) != 0) return std::nullopt;
  return (uint64_t{data[1].permitted} << 32) | data[0].permitted;
}

// Whether both are in one namespace of that kind, or it cannot be told.
bool MayShareNamespace(pid_t pid, const char* kind) {
  struct stat own;
  struct stat its;
  return ::stat(absl::StrCat("/proc/self/ns/", kind).c_str(), &own) != 0 ||
         ::stat(absl::StrCat("/proc/", pid, "/ns/", kind).c_str(), &its) != 0 ||
         (own.st_dev == its.st_dev && own.st_ino == its.st_ino);
}

}  // namespace

bool IsSameUser(const PeerIdentity& peer) {
  if (peer.uid != ::geteuid() || !peer.pid.has_value()) return false;
  const uint64_t own = PermittedCapabilities(0).value_or(~uint64_t{0});
  // Whoever has no capabilities is not told apart from another of its user.
  const uint64_t its = own == 0 ? 0 : PermittedCapabilities(*peer.pid).value_or(0);
  if ((own & ~its) != 0 || !MayShareNamespace(*peer.pid, "user") ||
      !MayShareNamespace(*peer.pid, "pid")) {
    return false;
  }
  const std::shared_ptr<const UniqueFd> process = peer.pidfd.lock();
  return process == nullptr || Lives(process->get());
}

}  // namespace nigh
