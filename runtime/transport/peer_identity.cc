#include "nigh/peer_identity.h"

#include <linux/capability.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
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

struct NamespaceKind {
  const char* name;            // in proc(5)
  unsigned long of_a_process;  // an ioctl of Linux 6.11, include/uapi/linux/pidfd.h
};
constexpr NamespaceKind kUserNamespace = {.name = "user", .of_a_process = _IO(0xff, 9)};
constexpr NamespaceKind kPidNamespace = {.name = "pid", .of_a_process = _IO(0xff, 5)};

// The namespace of the process behind `pidfd`, or of the one that /proc has as `process`: proc(5)
// takes several times as long to ask.
bool FindNamespace(int pidfd, absl::string_view process, const NamespaceKind& kind,
                   struct stat& found) {
  if (const UniqueFd space(::ioctl(pidfd, kind.of_a_process, 0)); space) {
    return ::fstat(space.get(), &found) == 0;
  }
  return ::stat(absl::StrCat("/proc/", process, "/ns/", kind.name).c_str(), &found) == 0;
}

// Whether this process is in the same namespaces of these kinds as another, or it cannot be told.
bool MayShareNamespaces(pid_t pid, int pidfd, std::initializer_list<NamespaceKind> kinds) {
  const UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  const std::string process = absl::StrCat(pid);
  for (const NamespaceKind& kind : kinds) {
    struct stat own;
    struct stat its;
    if (FindNamespace(self.get(), "self", kind, own) && FindNamespace(pidfd, process, kind, its) &&
        (own.st_dev != its.st_dev || own.st_ino != its.st_ino)) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool IsSameUser(const PeerIdentity& peer) {
  if (peer.uid != ::geteuid() || !peer.pid.has_value()) return false;
  const uint64_t own = PermittedCapabilities(0).value_or(~uint64_t{0});
  // Whoever has no capabilities is not told apart from another of its user.
  const uint64_t its = own == 0 ? 0 : PermittedCapabilities(*peer.pid).value_or(0);
  if ((own & ~its) != 0) return false;
  const std::shared_ptr<const UniqueFd> process = peer.pidfd.lock();
  const int pidfd = process == nullptr ? -1 : process->get();
  return MayShareNamespaces(*peer.pid, pidfd, {kUserNamespace, kPidNamespace}) &&
         (process == nullptr || Lives(pidfd));
}

}  // namespace nigh
