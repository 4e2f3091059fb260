#ifndef NIGH_TESTS_SUPPORT_DESCRIPTORS_H_
#define NIGH_TESTS_SUPPORT_DESCRIPTORS_H_

#include <sys/types.h>

namespace nigh::testing {

// How many descriptors this process has open, but for files in /proc.
int OpenDescriptors();
// The same of another process.
int OpenDescriptors(pid_t process);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SUPPORT_DESCRIPTORS_H_
