#ifndef NIGH_TRANSPORTS_PROCESS_PROCESS_NAME_H_
#define NIGH_TRANSPORTS_PROCESS_PROCESS_NAME_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "nigh/transport/unique_fd.h"

namespace nigh {

// A process as it names itself, for media whose kernel objects do not tell the peer's process. A
// process id means something within its namespace only, so the name has both.
struct ProcessName {
  pid_t pid = -1;
  uint32_t space = 0;  // the inode of the process id namespace

  static ProcessName OfThisProcess();

  // As it travels: both numbers, little-endian.
  static constexpr size_t kEncodedSize = 8;
  void Encode(std::byte* to) const;
  static ProcessName Decode(const std::byte* from);
};

// Whether a process of that number is alive, or may be: the kernel says 0 of a process of another
// namespace.
bool MayBeAlive(pid_t pid);

// A pidfd, which becomes readable when that process dies. No descriptor: the process has died
// already (errno is ESRCH), or cannot be watched, being of another namespace or not `user`'s, as
// whose it names itself.
UniqueFd WatchProcess(const ProcessName& name, std::optional<uid_t> user);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_PROCESS_PROCESS_NAME_H_
