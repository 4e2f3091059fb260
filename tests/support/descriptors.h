#ifndef NIGH_TESTS_SUPPORT_DESCRIPTORS_H_
#define NIGH_TESTS_SUPPORT_DESCRIPTORS_H_

namespace nigh::testing {

// How many descriptors this process has open, but for files in /proc, once those that are to be
// closed elsewhere have been.
int OpenDescriptors();

// The same, once there are at most so many, or a minute has passed: a thread that ends may be about
// to close its own.
int OpenDescriptorsOnceAtMost(int most);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SUPPORT_DESCRIPTORS_H_
