#include "nigh/runtime/loop/stop_signals.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace nigh {
namespace {

// The descriptor that the signal handler writes to. A handler has no argument to find it by. Only a
// lock-free atomic may be read in a handler.
std::atomic<int> target = -1;
static_assert(std::atomic<int>::is_always_lock_free);

void Handle(int) {
  // The interrupted thread may be between a system call and its look at errno.
  const int saved = errno;
  const uint64_t one = 1;
  // write(2) is async-signal-safe. Nothing could be done about a failure here.
  [[maybe_unused]] const ssize_t written = ::write(target.load(), &one, sizeof(one));
  errno = saved;
}

}  // namespace

StopSignals::StopSignals() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  // Before the handlers, which write to it; the destructor goes the other way round.
  previous_fd_ = target.exchange(fd_);
  struct sigaction action = {};
  action.sa_handler = Handle;
  action.sa_flags = SA_RESTART;  // the program's other system calls must not fail with EINTR
  ::sigaction(SIGINT, &action, &previous_interrupt_);
  ::sigaction(SIGTERM, &action, &previous_terminate_);
}

StopSignals::~StopSignals() {
  ::sigaction(SIGINT, &previous_interrupt_, nullptr);
  ::sigaction(SIGTERM, &previous_terminate_, nullptr);
  target.store(previous_fd_);
  ::close(fd_);
}

}  // namespace nigh
