#ifndef NIGH_TESTS_CONFORMANCE_CHILD_H_
#define NIGH_TESTS_CONFORMANCE_CHILD_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "nigh/transport/unique_fd.h"

namespace nigh::testing {

// This program once more, over the same medium, in a process of its own that does not outlive this
// one.
class Child {
 public:
  explicit Child(std::vector<std::string> arguments);
  // Kills it if it still runs.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // The next line that it says (Say); empty when it has ended instead.
  std::string Hear();

  void Signal(int signal);
  // Stops it as a debugger does; returns when all its threads stand still.
  void Freeze();
  // Waits for its end. OK: exit code 0. Otherwise the error tells how it ended.
  absl::Status Wait();

 private:
  UniqueFd output_;
  pid_t pid_ = -1;
};

// To be called by a Child: what its parent hears.
void Say(const std::string& line);

// To be called first by a Child.
void DieWithParent();

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONFORMANCE_CHILD_H_
