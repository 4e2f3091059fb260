#ifndef NIGH_RUNTIME_SERVER_REPORT_RATE_H_
#define NIGH_RUNTIME_SERVER_REPORT_RATE_H_

#include <utility>

#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"

namespace nigh {

// How often the server's user hears of something that clients can bring about at any rate: at once,
// and then once a second at most. Thread-safe.
class ReportRate {
 public:
  // It has happened `times` more. Returns how many times are to be reported now; 0: none yet.
  int Count(int times) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    unreported_ += times;
    if (unreported_ == 0 || !next_.HasPassed()) return 0;
    next_ = Deadline::After(absl::Seconds(1));
    return std::exchange(unreported_, 0);
  }

 private:
  Mutex mutex_;
  int unreported_ ABSL_GUARDED_BY(mutex_) = 0;
  Deadline next_ ABSL_GUARDED_BY(mutex_) = Deadline::AtNanos(0);
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_REPORT_RATE_H_
