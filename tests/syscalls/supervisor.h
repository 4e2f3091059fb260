#ifndef NIGH_TESTS_SYSCALLS_SUPERVISOR_H_
#define NIGH_TESTS_SYSCALLS_SUPERVISOR_H_

#include <linux/seccomp.h>

#include <array>
#include <atomic>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "nigh/transport/unique_fd.h"
#include "tests/syscalls/fault_sets.h"

namespace nigh::testing {

// System calls of `set` that fail: from the `first`-th on, which is 1 for the first of all, `times`
// of them. None if `first` is 0.
struct Fault {
  const FaultSet* set;
  int error = 0;
  int first = 0;
  int times = 1;
};

// Nothing fails; the calls that make descriptors are counted.
const Fault& NoFault();

// What a supervisor has seen, in memory that another process may look into.
struct Record {
  static constexpr int kLast = 64;

  struct Entry {
    int thread;
    int number;
    uint64_t first_argument;
    int error;  // 0: it went on
  };

  std::atomic<int> calls;
  std::atomic<int> faults;
  // The last calls, in turn.
  std::array<Entry, kLast> entries;
};

// Whether the kernel lets a supervisor answer system calls (SECCOMP_RET_USER_NOTIF, Linux 5.5), and
// all system calls are the program's: UndefinedBehaviorSanitizer asks by write(2) whether an object
// is there, and takes a failure for an answer.
bool CanSupervise();
inline constexpr char kCannotSupervise[] =
    "this kernel lets no process answer system calls (seccomp's SECCOMP_RET_USER_NOTIF, since "
    "Linux 5.5), or UndefinedBehaviorSanitizer makes some: no system call was made to fail";

// Runs code in a thread, and has system calls of that thread, and of the threads that it makes,
// fail as a Fault says. Other threads of the process are not concerned. One in a process, which
// ends with its code: its threads get no answer any more.
//
// Each call of the set stops its thread until Run's own thread has answered, so that one runs
// nothing that takes a lock.
class Supervisor {
 public:
  // `record` outlives this.
  Supervisor(const Fault& fault, Record& record);

  // Returns when `code` has returned. Its thread stays.
  void Run(absl::FunctionRef<void()> code);

  // For the code. Calls on `fd` are the test's own: they never fail.
  void Exempt(int fd) { exempt_.store(fd); }
  // From now on all calls of the set fail with `error`, or none.
  void FailAll(int error) { fails_all_.store(error); }
  void FailNone();
  const Record& record() const { return record_; }

 private:
  void Answer();
  // Returns what the call is to fail with: 0 if it goes on.
  int Judge(const seccomp_data& call);

  const Fault fault_;
  Record& record_;
  UniqueFd notifications_;
  std::atomic<int> exempt_ = -1;
  std::atomic<int> fails_all_ = 0;
  std::atomic<bool> fails_none_ = false;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SYSCALLS_SUPERVISOR_H_
