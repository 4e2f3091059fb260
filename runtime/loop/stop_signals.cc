#include "nigh/runtime/loop/stop_signals.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

#include "nigh/transport/unique_fd.h"

namespace nigh {
namespace {

constexpr int kMostSignals = 2;  // that are taken; the next one ends the process

// Whom the signal handler tells. A handler has no argument to find it by. Only a lock-free atomic
// may be read in a handler.
std::atomic<StopSignals*> target = nullptr;
static_assert(std::atomic<StopSignals*>::is_always_lock_free);

}  // namespace

void StopSignals::Handle(int signal) {
  // The interrupted thread may be between a system call and its look at errno.
  const int saved = errno;
  StopSignals* const signals = target.load();
  if (signals == nullptr || !signals->Take()) {
    struct sigaction usual = {};
    usual.sa_handler = SIG_DFL;
    ::sigaction(signal, &usual, nullptr);
    // Takes effect when this handler returns.
    ::raise(signal);
  }
  errno = saved;
}

bool StopSignals::Take() {
  if (!birth_.is_this() || count_.fetch_add(1) >= kMostSignals) return false;
  const uint64_t one = 1;
  // write(2) is async-signal-safe. Nothing could be done about a failure here.
  [[maybe_unused]] const ssize_t written = ::write(fd_.get(), &one, sizeof(one));
  return true;
}

StopSignals::StopSignals()
    : fd_(UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)).KeptFromChildren()),
      // Before the handlers, which tell it; the destructor goes the other way round.
      previous_(target.exchange(this)) {
  struct sigaction action = {};
  action.sa_handler = Handle;
  action.sa_flags = SA_RESTART;  // the program's other system calls must not fail with EINTR
  ::sigaction(SIGINT, &action, &previous_interrupt_);
  ::sigaction(SIGTERM, &action, &previous_terminate_);
}

StopSignals::~StopSignals() {
  ::sigaction(SIGINT, &previous_interrupt_, nullptr);
  ::sigaction(SIGTERM, &previous_terminate_, nullptr);
  target.store(previous_);
}

}  // namespace nigh
