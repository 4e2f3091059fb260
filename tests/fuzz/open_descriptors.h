#ifndef NIGH_TESTS_FUZZ_OPEN_DESCRIPTORS_H_
#define NIGH_TESTS_FUZZ_OPEN_DESCRIPTORS_H_

#include <sys/stat.h>

#include "nigh/transport/descriptors.h"
#include "tests/support/descriptors.h"

namespace nigh::testing {

// Counts the descriptors that this process has open beyond those that it had when this was made,
// which is once for each input. Mostly that is the kernel's count (Linux 6.2), in one system call.
// Where that is too high, something may be being closed, or a thread be ending, which has the C
// library open a file for a moment; OpenDescriptors leaves that out. Between two inputs the fuzzer
// opens some of its own.
class ExtraDescriptors {
 public:
  ExtraDescriptors() {
    if (all_ != 0 && all_ == last_all) return;
    last_all = all_;
    last_named = OpenDescriptors();
  }

  // Whether there are `most` at most.
  bool AreAtMost(int most) const {
    if (all_ != 0 && All() <= all_ + most) return true;
    AwaitClosings();
    return OpenDescriptors() <= last_named + most;
  }
  bool AreNone() const {
    AwaitClosings();
    return AreAtMost(0);
  }

 private:
  // 0: the kernel does not tell.
  static int All() {
    struct stat folder;
    return ::stat("/proc/self/fd", &folder) == 0 ? static_cast<int>(folder.st_size) : 0;
  }

  inline static int last_all = -1;
  inline static int last_named = 0;  // of those, what OpenDescriptors counts
  const int all_ = All();
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_FUZZ_OPEN_DESCRIPTORS_H_
