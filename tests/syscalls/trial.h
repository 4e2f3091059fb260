#ifndef NIGH_TESTS_SYSCALLS_TRIAL_H_
#define NIGH_TESTS_SYSCALLS_TRIAL_H_

#include <sys/types.h>

#include <functional>
#include <string>

#include "nigh/transport/unique_fd.h"
#include "tests/syscalls/supervisor.h"

namespace nigh::testing {

// What a process has found.
struct Findings {
  // One line each; empty: nothing is wrong.
  std::string failures;
  // How many descriptors it was left with, compared with what it had at first.
  int descriptors = 0;
};

// Code in a child process, which ends with it. To be made while this process has one thread.
class Trial {
 public:
  // The child does not run `code` under a supervisor.
  explicit Trial(const std::function<Findings()>& code);
  // It does.
  Trial(const Fault& fault, const std::function<Findings(Supervisor&)>& code);
  // Kills the child if it still runs.
  ~Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  // Waits for the end, and returns what the child has found. If it has ended otherwise, or has not
  // ended in half a minute, that is a failure, which tells what its threads were doing.
  Findings Wait();

  int calls() const { return record_->calls.load(); }
  int faults() const { return record_->faults.load(); }
  // The last system calls, one line each.
  std::string LastCalls() const;

 private:
  void Fork(const std::function<Findings()>& code);

  const FaultSet* set_ = nullptr;
  Record* record_;
  UniqueFd output_;
  pid_t pid_ = -1;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SYSCALLS_TRIAL_H_
