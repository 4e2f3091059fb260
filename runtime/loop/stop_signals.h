#ifndef NIGH_RUNTIME_LOOP_STOP_SIGNALS_H_
#define NIGH_RUNTIME_LOOP_STOP_SIGNALS_H_

#include <signal.h>

namespace nigh {

// While an object of this class lives, SIGINT and SIGTERM make a descriptor readable instead of
// ending the process, whichever thread they are delivered to. Its destructor restores the previous
// handlers. If there are several, the last one made gets the signals.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  int fd() const { return fd_; }

 private:
  int fd_;
  int previous_fd_;
  struct sigaction previous_interrupt_;
  struct sigaction previous_terminate_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_STOP_SIGNALS_H_
