#include "nigh/transport/descriptors.h"

#include <atomic>
#include <cstddef>
#include <deque>
#include <iterator>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/per_process.h"
#include "nigh/runtime/base/signals_blocked.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {
namespace {

// Closes descriptors, in threads that end when there are none to close. One that sleeps must not
// keep those of others open, so there may be several; but no peer gets many.
class Closer {
 public:
  void Close(std::vector<UniqueFd> fds) ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      MutexLock lock(mutex_);
      std::move(fds.begin(), fds.end(), std::back_inserter(waiting_));
      if (threads_ == kMostThreads) return;
      ++threads_;
    }
    try {
      const SignalsBlocked blocked;
      std::thread([this] { Work(); }).detach();
    } catch (const std::system_error&) {
      Work();
    }
  }

  void Await() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    while (threads_ != 0) idle_.Wait(mutex_);
  }

 private:
  static constexpr int kMostThreads = 16;

  void Work() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    while (!waiting_.empty()) {
      UniqueFd next = std::move(waiting_.front());
      waiting_.pop_front();
      MutexUnlock unlock(mutex_);
      next.reset();
    }
    if (--threads_ == 0) idle_.SignalAll();
  }

  Mutex mutex_;
  CondVar idle_;
  std::deque<UniqueFd> waiting_ ABSL_GUARDED_BY(mutex_);
  int threads_ ABSL_GUARDED_BY(mutex_) = 0;
};

constinit PerProcess<Closer> closer;

}  // namespace

Descriptors::~Descriptors() {
  if (fds_.empty()) return;
  std::vector<UniqueFd> left;
  for (UniqueFd& fd : fds_) {
    if (fd) left.push_back(std::move(fd));
  }
  if (untaken_ != nullptr) untaken_->fetch_sub(left.size(), std::memory_order_relaxed);
  CloseElsewhere(std::move(left));
}

UniqueFd Descriptors::Take(size_t index) {
  UniqueFd taken = std::move(fds_[index]);
  if (taken && untaken_ != nullptr) untaken_->fetch_sub(1, std::memory_order_relaxed);
  return taken;
}

void Descriptors::CountIn(std::shared_ptr<std::atomic<size_t>> untaken) {
  untaken_ = std::move(untaken);
  untaken_->fetch_add(fds_.size(), std::memory_order_relaxed);
}

void CloseElsewhere(UniqueFd fd) {
  if (!fd) return;
  std::vector<UniqueFd> one;
  one.push_back(std::move(fd));
  CloseElsewhere(std::move(one));
}

void CloseElsewhere(std::vector<UniqueFd> fds) {
  if (!fds.empty()) closer.Get().Close(std::move(fds));
}

void AwaitClosings() { closer.Get().Await(); }

}  // namespace nigh
