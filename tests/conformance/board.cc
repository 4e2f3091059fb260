#include "tests/conformance/board.h"

#include <string>

#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "tests/contract/frames.h"

namespace nigh::testing {

void Board::Raise(const std::string& name, int times) {
  MutexLock lock(mutex_);
  raised_[name] += times;
  changed_.SignalAll();
}

bool Board::Await(const std::string& name, int times) {
  const Deadline patience = Deadline::After(absl::Milliseconds(kPatienceMillis));
  MutexLock lock(mutex_);
  while (raised_[name] < times) {
    if (given_up_ || patience.HasPassed()) return false;
    changed_.WaitUntil(mutex_, patience);
  }
  return true;
}

int Board::Count(const std::string& name) {
  MutexLock lock(mutex_);
  return raised_[name];
}

void Board::GiveUp() {
  MutexLock lock(mutex_);
  given_up_ = true;
  changed_.SignalAll();
}

}  // namespace nigh::testing
