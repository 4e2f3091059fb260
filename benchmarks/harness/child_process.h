#ifndef NIGH_BENCHMARKS_HARNESS_CHILD_PROCESS_H_
#define NIGH_BENCHMARKS_HARNESS_CHILD_PROCESS_H_

#include <signal.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

namespace nigh::benchmarks {

// A process that runs `work` until it returns, until this object is destroyed, or until this
// process ends. To be made before this process has other threads.
class ChildProcess {
 public:
  template <class Work>
  explicit ChildProcess(const Work& work) : pid_(::fork()) {
    if (pid_ != 0) return;
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    work();
    ::_exit(0);
  }
  ~ChildProcess() {
    if (pid_ <= 0) return;
    (void)::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

 private:
  const pid_t pid_;
};

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_HARNESS_CHILD_PROCESS_H_
