#ifndef NIGH_TESTS_CONFORMANCE_CHILD_H_
#define NIGH_TESTS_CONFORMANCE_CHILD_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "nigh/transport/unique_fd.h"

namespace nigh::testing {

// A second process of this program, over the same medium. It does not outlive this one.
class Child {
 public:
  explicit Child(std::vector<std::string> arguments);
  // Kills the process if it still runs.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }

  // Waits for the next line that the process says (Say). Empty: it has ended instead.
  std::string Hear();

  void Signal(int signal);
  // Stops the process by SIGSTOP. Returns when all its threads have stopped.
  void Freeze();
  // Waits until the process has been stopped, by whomever.
  void AwaitStop();
  // Waits for the end of the process. OK: exit code 0. Otherwise the error tells how it ended.
  absl::Status Wait();

 private:
  UniqueFd output_;
  pid_t pid_ = -1;
};

// Says `line` to the parent, who hears it. To be called in a Child's process.
void Say(const std::string& line);

// Has the kernel kill this process when its parent dies. To be called first in a Child's process.
void DieWithParent();

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONFORMANCE_CHILD_H_
