#ifndef NIGH_RUNTIME_BASE_PIDFD_H_
#define NIGH_RUNTIME_BASE_PIDFD_H_

#include <poll.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cstdint>

#include "nigh/runtime/base/uninterrupted.h"

namespace nigh {

// Whether the process behind `pidfd` lives, so that its number was its own until now. No: there is
// no pidfd.
inline bool Lives(int pidfd) {
  pollfd entry = {.fd = pidfd, .events = POLLIN, .revents = 0};
  return pidfd >= 0 && Uninterrupted([&] { return ::poll(&entry, 1, 0); }) == 0;
}

// Whether both are known to be of one process. Before Linux 6.9 nothing tells.
inline bool AreOfOneProcess(int pidfd, int other) {
  constexpr uint32_t kPidFileSystem = 0x50494446;  // PID_FS_MAGIC: each process has an inode
  struct statfs system;
  struct stat one;
  struct stat two;
  return ::fstatfs(pidfd, &system) == 0 && static_cast<uint32_t>(system.f_type) == kPidFileSystem &&
         ::fstat(pidfd, &one) == 0 && ::fstat(other, &two) == 0 && one.st_dev == two.st_dev &&
         one.st_ino == two.st_ino;
}

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_PIDFD_H_
