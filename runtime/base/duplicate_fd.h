#ifndef NIGH_RUNTIME_BASE_DUPLICATE_FD_H_
#define NIGH_RUNTIME_BASE_DUPLICATE_FD_H_

#include <fcntl.h>

#include "nigh/transport/unique_fd.h"

namespace nigh {

// Returns another descriptor of the file that `fd` refers to, closed on exec. It is the lowest free
// one that is not below `lowest`. Returns no descriptor when that fails; errno says why.
inline UniqueFd DuplicateFd(int fd, int lowest = 0) {
  return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, lowest));
}

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_DUPLICATE_FD_H_
