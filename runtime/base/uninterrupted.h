#ifndef NIGH_RUNTIME_BASE_UNINTERRUPTED_H_
#define NIGH_RUNTIME_BASE_UNINTERRUPTED_H_

#include <cerrno>

namespace nigh {

// Makes the system call `call`, which returns -1 and sets errno where it fails, again for as long
// as a signal interrupts it: a handler of the program's need not have been installed with
// SA_RESTART.
template <class Call>
auto Uninterrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_UNINTERRUPTED_H_
