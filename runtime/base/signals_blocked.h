#ifndef NIGH_RUNTIME_BASE_SIGNALS_BLOCKED_H_
#define NIGH_RUNTIME_BASE_SIGNALS_BLOCKED_H_

#include <signal.h>

namespace nigh {

// Blocks every signal in the calling thread while the object lives. A thread that is started
// meanwhile inherits the mask for its whole life, so none of the program's signal handlers ever
// runs in it:
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
