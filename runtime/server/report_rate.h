#ifndef NIGH_RUNTIME_SERVER_REPORT_RATE_H_
#define NIGH_RUNTIME_SERVER_REPORT_RATE_H_

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"

namespace nigh {

// How often the server's user hears of something that clients can bring about at any rate: the
// first `burst` times at once, and then once a second at most. Thread-safe.
class ReportRate {
 public:
  explicit ReportRate(int burst = 1) : burst_(burst) {}

  // It has happened `times` more. Returns how many times are to be reported now; 0: none yet.
  int Count(int times) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    unreported_ += times;
    const int64_t now = Deadline::NowNanos();
    if (unreported_ == 0 || now < next_) return 0;
    next_ = std::max(next_, now - (burst_ - 1) * kSecond) + kSecond;
    return std::exchange(unreported_, 0);
  }

 private:
  static constexpr int64_t kSecond = 1'000'000'000;

  const int burst_;
  Mutex mutex_;
  int unreported_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t next_ ABSL_GUARDED_BY(mutex_) = 0;  // when there may be a report, as Deadline counts
};

// `status`, which is about one of `times` connections.
inline absl::Status OneOf(int times, const absl::Status& status) {
  if (times == 1) return status;
  return absl::Status(status.code(), absl::StrCat(status.message(), "; so ended ", times,
                                                  " connections since the last such report"));
}

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_REPORT_RATE_H_
