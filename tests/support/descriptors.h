#ifndef NIGH_TESTS_SUPPORT_DESCRIPTORS_H_
#define NIGH_TESTS_SUPPORT_DESCRIPTORS_H_

namespace nigh::testing {

// How many descriptors this process has open, but for files in /proc, once those that are to be
// closed elsewhere have been.
int OpenDescriptors();

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SUPPORT_DESCRIPTORS_H_
