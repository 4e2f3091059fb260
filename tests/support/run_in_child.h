#ifndef NIGH_TESTS_SUPPORT_RUN_IN_CHILD_H_
#define NIGH_TESTS_SUPPORT_RUN_IN_CHILD_H_

#include "absl/functional/function_ref.h"

namespace nigh::testing {

// Runs `code` in a child process, and returns once that has ended. What `code` has made and not
// destroyed stays as a killed process leaves it if `code` ends with ::raise(SIGKILL).
void RunInChild(absl::FunctionRef<void()> code);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SUPPORT_RUN_IN_CHILD_H_
