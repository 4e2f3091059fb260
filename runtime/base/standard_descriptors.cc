#include "nigh/runtime/base/standard_descriptors.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>

namespace nigh {

void FillStandardDescriptors() {
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(standard, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest that is free: this one, unless another thread has just taken it.
    const int null = ::open("/dev/null", O_RDWR);
    if (null > STDERR_FILENO) ::close(null);
  }
}

}  // namespace nigh
