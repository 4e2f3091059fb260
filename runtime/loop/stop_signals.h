#ifndef NIGH_RUNTIME_LOOP_STOP_SIGNALS_H_
#define NIGH_RUNTIME_LOOP_STOP_SIGNALS_H_

#include <signal.h>

#include <atomic>

#include "nigh/runtime/base/birth_process.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// While an object of this class lives, SIGINT and SIGTERM make a descriptor readable instead of
// ending the process, whichever thread they are delivered to. Who sends them once more is in a
// hurry, and the third one does what it would have done without this. The destructor of the last
// object restores the previous handlers. If there are several objects, the last one made gets the
// signals.
//
// A child of fork(2) inherits the handlers, but not what they stand for: there, signals do what
// they did before.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Readable once a signal has come.
  int fd() const { return fd_.get(); }
  // How many have come.
  int count() const { return count_.load(std::memory_order_relaxed); }

 private:
  static void Handle(int signal);
  // False: the signal is to do what it does by default. Async-signal-safe.
  bool Take();

  const BirthProcess birth_;
  const UniqueFd fd_;
  std::atomic<int> count_ = 0;
  StopSignals* previous_ = nullptr;  // made before this one
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_STOP_SIGNALS_H_
