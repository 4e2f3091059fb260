#include "nigh/runtime/loop/stop_signals.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

#include "nigh/mutex.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {
namespace {

constexpr int kMostSignals = 2;  // that are taken; the next one ends the process

// Whom the signal handler tells: the object that was made last. A handler has no argument to find
// it by. Only a lock-free atomic may be read in a handler.
std::atomic<StopSignals*> target = nullptr;
static_assert(std::atomic<StopSignals*>::is_always_lock_free);

// A signal, and what it did before the first of the objects. Written before the handlers are there.
struct Handled {
  const int signal;
  struct sigaction before;
};
Handled interrupt = {.signal = SIGINT, .before = {}};
Handled terminate = {.signal = SIGTERM, .before = {}};
Handled hangup = {.signal = SIGHUP, .before = {}};

bool IsDefault(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}

const Handled& Find(int signal) {
  return signal == SIGINT ? interrupt : signal == SIGTERM ? terminate : hangup;
}

// Guards the list that begins at `target`.
Mutex& ListMutex() {
  static Mutex& mutex = *new Mutex;
  return mutex;
}

}  // namespace

void StopSignals::Handle(int signal) {
  // The interrupted thread may be between a system call and its look at errno.
  const int saved = errno;
  StopSignals* const signals = target.load();
  if (signals == nullptr || !signals->Take(signal)) {
    ::sigaction(signal, &Find(signal).before, nullptr);
    // Takes effect when this handler returns.
    ::raise(signal);
  }
  errno = saved;
}

bool StopSignals::Take(int signal) {
  if (!birth_.is_this()) return false;
  if (signal != SIGTERM && !heeds_terminal_.load()) return true;
  if (signal == SIGHUP || count_.fetch_add(1) >= kMostSignals) return false;
  const uint64_t one = 1;
  // write(2) is async-signal-safe. Nothing could be done about a failure here.
  [[maybe_unused]] const ssize_t written = ::write(fd_.get(), &one, sizeof(one));
  return true;
}

StopSignals::StopSignals(const std::atomic<bool>& heeds_terminal)
    : heeds_terminal_(heeds_terminal),
      fd_(UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)).KeptFromChildren()) {
  MutexLock lock(ListMutex());
  // Before the handlers, which tell it; the destructor goes the other way round.
  previous_ = target.exchange(this);
  if (previous_ != nullptr) return;
  struct sigaction action = {};
  action.sa_handler = Handle;
  action.sa_flags = SA_RESTART;  // the program's other system calls must not fail with EINTR
  for (Handled* handled : {&interrupt, &terminate, &hangup}) {
    ::sigaction(handled->signal, nullptr, &handled->before);
    // A program with a handler for this one has a use for it, as a rule to read its files anew.
    if (handled->signal == SIGHUP && !IsDefault(handled->before)) continue;
    ::sigaction(handled->signal, &action, nullptr);
  }
}

StopSignals::~StopSignals() {
  MutexLock lock(ListMutex());
  StopSignals* const last = target.load();
  if (last == this && previous_ == nullptr) {
    for (const Handled* handled : {&interrupt, &terminate, &hangup}) {
      if (handled->signal == SIGHUP && !IsDefault(handled->before)) continue;
      ::sigaction(handled->signal, &handled->before, nullptr);
    }
  }
  if (last == this) {
    target.store(previous_);
    return;
  }
  // They need not end in the order in which they began.
  StopSignals* next = last;
  while (next->previous_ != this) next = next->previous_;
  next->previous_ = previous_;
}

}  // namespace nigh
