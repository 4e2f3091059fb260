#include "tests/conformance/descriptor_check.h"

#include <thread>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "nigh/deadline.h"
#include "tests/conformance/services.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

int CountDescriptors() {
  // Some things are opened once and stay.
  static const Weight ignored = WeighProcess();
  (void)SubjectDirectory();
  return WeighProcess().fds();
}

}  // namespace

DescriptorCheck::DescriptorCheck() : before_(CountDescriptors()) {}

DescriptorCheck::~DescriptorCheck() {
  // The thread that channels share closes its own a moment after the last of them has gone, if it
  // was itself the last to hold on to one.
  const Deadline patience = Deadline::After(absl::Seconds(10));
  int now = CountDescriptors();
  while (now != before_ && !patience.HasPassed()) {
    std::this_thread::yield();
    now = CountDescriptors();
  }
  // Not counted once more: the C library opens a file for a moment when a thread ends.
  EXPECT_EQ(now, before_) << "descriptors leaked";
}

}  // namespace nigh::testing
