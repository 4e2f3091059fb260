#ifndef NIGH_TESTS_CONFORMANCE_BOARD_H_
#define NIGH_TESTS_CONFORMANCE_BOARD_H_

#include <map>
#include <string>

#include "nigh/mutex.h"

namespace nigh::testing {

// Flags with names. Some threads raise them and others wait for them. Thread-safe.
class Board {
 public:
  void Raise(const std::string& name, int times = 1) ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until `name` has been raised `times` times. False: that took too long, or GiveUp was
  // called.
  bool Await(const std::string& name, int times = 1) ABSL_LOCKS_EXCLUDED(mutex_);

  // Returns how often `name` has been raised.
  int Count(const std::string& name) ABSL_LOCKS_EXCLUDED(mutex_);

  // Makes every Await return, now and from now on.
  void GiveUp() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Mutex mutex_;
  CondVar changed_;
  std::map<std::string, int> raised_ ABSL_GUARDED_BY(mutex_);
  bool given_up_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONFORMANCE_BOARD_H_
