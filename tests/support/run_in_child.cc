#include "tests/support/run_in_child.h"

#include <sys/wait.h>
#include <unistd.h>

#include "absl/functional/function_ref.h"
#include "gtest/gtest.h"

namespace nigh::testing {

void RunInChild(absl::FunctionRef<void()> code) {
  const pid_t child = ::fork();
  if (child == 0) {
    code();
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
}

}  // namespace nigh::testing
