#ifndef NIGH_RUNTIME_LOOP_STOP_SIGNALS_H_
#define NIGH_RUNTIME_LOOP_STOP_SIGNALS_H_

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
// What a terminal sends, SIGINT and SIGHUP, may be another process's business: then it has no
// effect at all. It is not ignored in the system's sense, which the programs that this one starts
// would inherit. A handler of the program's for SIGHUP stays.
//
// A child of fork(2) inherits the handlers, but not what they stand for: there, signals do what
// they did before.
class StopSignals {
 public:
  // `heeds_terminal`: whether SIGINT and SIGHUP have an effect. It is asked whenever one comes, and
  // must outlive this object.
  explicit StopSignals(const std::atomic<bool>& heeds_terminal);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Readable once a signal has come.
  int fd() const { return fd_.get(); }
  // How many have come.
  int count() const { return count_.load(std::memory_order_relaxed); }

 private:
  static void Handle(int signal);
  // False: the signal is to do what it did before. Async-signal-safe.
  bool Take(int signal);

  const BirthProcess birth_;
  const std::atomic<bool>& heeds_terminal_;
  const UniqueFd fd_;
  std::atomic<int> count_ = 0;
  StopSignals* previous_ = nullptr;  // made before this one
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_STOP_SIGNALS_H_
