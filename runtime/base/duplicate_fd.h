#ifndef NIGH_RUNTIME_BASE_DUPLICATE_FD_H_
#define NIGH_RUNTIME_BASE_DUPLICATE_FD_H_

#include <fcntl.h>

#include "nigh/transport/unique_fd.h"

namespace nigh {

// A second descriptor of what `fd` is open on, closed on exec: the lowest free one from `lowest`
// on. No descriptor: errno says why.
inline UniqueFd DuplicateFd(int fd, int lowest = 0) {
  return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, lowest));
}

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_DUPLICATE_FD_H_
