#ifndef NIGH_TRANSPORTS_RENDEZVOUS_PROCESS_NAME_H_
#define NIGH_TRANSPORTS_RENDEZVOUS_PROCESS_NAME_H_

#include <sys/types.h>

#include <cstdint>

#include "nigh/transport/unique_fd.h"

namespace nigh {

// A process as it names itself, where the kernel does not: by its number, and by the namespace that
// the number is of.
struct ProcessName {
  pid_t pid = -1;
  uint32_t space = 0;

  static ProcessName OfThisProcess();
};

// Whether a process of that number is alive, or may be: the kernel says 0 of a process of another
// namespace.
bool MayBeAlive(pid_t pid);

// Readable once that process has died. None: it has died already (errno is ESRCH), or cannot be
// watched: it is of another namespace, or another user's.
UniqueFd WatchProcess(const ProcessName& name);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_RENDEZVOUS_PROCESS_NAME_H_
