#ifndef NIGH_RUNTIME_BASE_SIGNALS_BLOCKED_H_
#define NIGH_RUNTIME_BASE_SIGNALS_BLOCKED_H_

#include <signal.h>

namespace nigh {

// Blocks every signal in the thread that makes it, until it goes. A thread that is started meanwhile
// inherits that for its whole life, so that no handler of the program ever runs there:
//
//   const SignalsBlocked blocked;
//   thread_ = std::thread(...);
class SignalsBlocked {
 public:
  SignalsBlocked();
  ~SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_SIGNALS_BLOCKED_H_
