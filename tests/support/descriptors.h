#ifndef NIGH_TESTS_SUPPORT_DESCRIPTORS_H_
#define NIGH_TESTS_SUPPORT_DESCRIPTORS_H_

namespace nigh::testing {

// How many descriptors this process has open, but for files in /proc.
int OpenDescriptors();

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SUPPORT_DESCRIPTORS_H_
