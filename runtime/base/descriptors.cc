#include "nigh/transport/descriptors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/per_process.h"
#include "nigh/runtime/base/signals_blocked.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {
namespace {

// Closes descriptors. Those of one user wait for nothing of another's.
class Closer {
 public:
  using User = std::optional<uid_t>;

  void Close(User whose, std::vector<UniqueFd> fds, std::shared_ptr<DescriptorCount> count)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    Queue& queue = queues_[whose];
    queue.closing += fds.size();
    closing_ += fds.size();
    queue.waiting.push_back({std::move(fds), std::move(count)});
    queue.more.Signal();
    if (SeeTo(whose, queue)) return;
    // The system gives no thread.
    ++queue.threads;
    CloseWaiting(whose, queue);
    Leave(whose, queue);
  }

  size_t ClosingsOf(User whose) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    const auto queue = queues_.find(whose);
    return queue == queues_.end() ? 0 : queue->second.closing;
  }

  void Await() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    while (closing_ != 0) done_.Wait(mutex_);
  }

 private:
  // Of one user: one that sleeps must not keep the others open.
  static constexpr int kMostThreads = 4;
  static constexpr absl::Duration kIdle = absl::Seconds(1);

  struct Batch {
    std::vector<UniqueFd> fds;
    std::shared_ptr<DescriptorCount> count;
  };
  // There as long as it has threads; std::map leaves it where it is.
  struct Queue {
    std::deque<Batch> waiting;
    CondVar more;
    size_t closing = 0;  // descriptors that are not closed yet
    int threads = 0;
    int idle = 0;  // of these
  };

  // Sees to it that somebody comes for what waits. False: nobody will.
  bool SeeTo(User whose, Queue& queue) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (queue.waiting.empty() || queue.idle != 0 || queue.threads == kMostThreads) return true;
    try {
      const SignalsBlocked blocked;
      std::thread([this, whose, &queue] { Work(whose, queue); }).detach();
      ++queue.threads;
    } catch (const std::system_error&) {
      return queue.threads != 0;
    }
    return true;
  }

  void Work(User whose, Queue& queue) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    Deadline end;
    do {
      CloseWaiting(whose, queue);
      end = Deadline::After(kIdle);
      ++queue.idle;
      while (queue.waiting.empty() && !end.HasPassed()) queue.more.WaitUntil(mutex_, end);
      --queue.idle;
    } while (!queue.waiting.empty());
    Leave(whose, queue);
  }

  void Leave(User whose, Queue& queue) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (--queue.threads == 0) queues_.erase(whose);
  }

  void CloseWaiting(User whose, Queue& queue) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (!queue.waiting.empty()) {
      Batch batch = std::move(queue.waiting.front());
      queue.waiting.pop_front();
      // This one may take for ever.
      (void)SeeTo(whose, queue);
      const size_t closed = batch.fds.size();
      {
        MutexUnlock unlock(mutex_);
        batch.fds.clear();
        if (batch.count != nullptr) batch.count->Subtract(closed);
        batch.count = nullptr;
      }
      queue.closing -= closed;
      closing_ -= closed;
      if (closing_ == 0) done_.SignalAll();
    }
  }

  Mutex mutex_;
  CondVar done_;  // nothing is left to be closed
  std::map<User, Queue> queues_ ABSL_GUARDED_BY(mutex_);
  size_t closing_ ABSL_GUARDED_BY(mutex_) = 0;  // in all
};

constinit PerProcess<Closer> closer;

// Whether nobody but the kernel has a part in the last close(2) of `fd`, and it has little to do: a
// pipe; a file with a name, on a disk of this machine. File systems without a device, of which
// those of other machines and processes are, do not count, and are not asked.
bool ClosesAtOnce(int fd) {
  struct statx file = {};
  if (::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_NLINK, &file) != 0) {
    return false;
  }
  if (S_ISFIFO(file.stx_mode)) return true;
  return S_ISREG(file.stx_mode) && file.stx_nlink != 0 && file.stx_dev_major != 0;
}

}  // namespace

absl::Status DescriptorCount::Check(size_t times) const {
  for (const DescriptorCount* part = this; part != nullptr; part = part->whole_.get()) {
    const size_t count = part->count();
    if (count <= times * part->limit_.most) continue;
    return absl::ResourceExhaustedError(absl::StrCat(count, " descriptors of ", part->limit_.whose,
                                                     " are open, where ", part->limit_.most,
                                                     " may be (", part->limit_.remedy, ")"));
  }
  return absl::OkStatus();
}

uid_t Descriptors::OwnUser() { return ::geteuid(); }

UniqueFd Descriptors::Take(size_t index) {
  UniqueFd taken = std::move(fds_[index]);
  if (taken && count_ != nullptr) count_->Subtract(1);
  return taken;
}

void Descriptors::Close(size_t index) {
  std::vector<UniqueFd> one;
  one.push_back(std::move(fds_[index]));
  CloseElsewhere(whose_, std::move(one), count_);
}

void Descriptors::CountIn(std::shared_ptr<DescriptorCount> count) {
  if (count_ != nullptr) return;
  count_ = std::move(count);
  count_->Add(fds_.size());
}

void Descriptors::Refuse(absl::Status why) {
  CloseAll();
  refusal_ = std::move(why);
}

void Descriptors::CloseAll() {
  if (fds_.empty()) return;
  std::vector<UniqueFd> slow;
  for (UniqueFd& fd : fds_) {
    if (!fd) continue;
    if (!ClosesAtOnce(fd.get())) {
      slow.push_back(std::move(fd));
      continue;
    }
    fd.reset();
    if (count_ != nullptr) count_->Subtract(1);
  }
  fds_.clear();
  CloseElsewhere(whose_, std::move(slow), std::move(count_));
}

void CloseElsewhere(std::optional<uid_t> whose, std::vector<UniqueFd> fds,
                    std::shared_ptr<DescriptorCount> count) {
  if (!fds.empty()) closer.Get().Close(whose, std::move(fds), std::move(count));
}

void CloseElsewhere(std::optional<uid_t> whose, UniqueFd fd) {
  if (!fd) return;
  std::vector<UniqueFd> one;
  one.push_back(std::move(fd));
  CloseElsewhere(whose, std::move(one));
}

size_t ClosingsOf(std::optional<uid_t> whose) { return closer.Get().ClosingsOf(whose); }

void AwaitClosings() { closer.Get().Await(); }

}  // namespace nigh
