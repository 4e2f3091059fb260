#ifndef NIGH_RUNTIME_BASE_FILE_SIZE_LIMIT_H_
#define NIGH_RUNTIME_BASE_FILE_SIZE_LIMIT_H_

#include <sys/resource.h>

#include <cerrno>
#include <cstddef>

namespace nigh {

// Whether this process may make a file so long. False: errno is EFBIG. To be asked first, since the
// kernel answers an attempt by SIGXFSZ, which ends the process. Memory that is a file counts.
inline bool MayHaveFileOf(size_t size) {
  rlimit limit;
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || size <= limit.rlim_cur) return true;
  errno = EFBIG;
  return false;
}

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_FILE_SIZE_LIMIT_H_
