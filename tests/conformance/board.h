#ifndef NIGH_TESTS_CONFORMANCE_BOARD_H_
#define NIGH_TESTS_CONFORMANCE_BOARD_H_

#include <map>
#include <string>

#include "nigh/mutex.h"

namespace nigh::testing {

// Flags by name that some raise and others wait for. Thread-safe.
class Board {
 public:
  void Raise(const std::string& name, int times = 1) ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until `name` has been raised so often. False: patience is at an end, or GiveUp.
  bool Await(const std::string& name, int times = 1) ABSL_LOCKS_EXCLUDED(mutex_);

  // How often it has been raised.
  int Count(const std::string& name) ABSL_LOCKS_EXCLUDED(mutex_);

  // Every Await returns, now and from then on.
  void GiveUp() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Mutex mutex_;
  CondVar changed_;
  std::map<std::string, int> raised_ ABSL_GUARDED_BY(mutex_);
  bool given_up_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONFORMANCE_BOARD_H_
