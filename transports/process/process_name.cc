#include "nigh/transports/process/process_name.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

ProcessName ProcessName::OfThisProcess() {
  ProcessName name = {.pid = ::getpid()};
  struct stat space;
  if (::stat("/proc/self/ns/pid", &space) == 0) name.space = static_cast<uint32_t>(space.st_ino);
  return name;
}

void ProcessName::Encode(std::byte* to) const {
  StoreLittle(static_cast<uint32_t>(pid), to);
  StoreLittle(space, to + sizeof(uint32_t));
}

ProcessName ProcessName::Decode(const std::byte* from) {
  return {.pid = static_cast<pid_t>(LoadLittle<uint32_t>(from)),
          .space = LoadLittle<uint32_t>(from + sizeof(uint32_t))};
}

bool MayBeAlive(pid_t pid) { return pid == 0 || ::kill(pid, 0) == 0 || errno != ESRCH; }

UniqueFd WatchProcess(const ProcessName& name, std::optional<uid_t> user) {
  if (name.space != ProcessName::OfThisProcess().space) {
    errno = EXDEV;
    return UniqueFd();
  }
  UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, name.pid, 0)));
  // Somebody else's process would be watched in vain, or used to find out when it ends.
  struct stat owner;
  if (process && ::stat(absl::StrCat("/proc/", name.pid).c_str(), &owner) == 0 &&
      owner.st_uid != user && ::geteuid() != 0) {
    errno = EPERM;
    return UniqueFd();
  }
  return process;
}

}  // namespace nigh
