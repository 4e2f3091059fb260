#include "nigh/runtime/loop/cooling.h"

#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/runtime/loop/poller.h"

namespace nigh {
namespace {

// Between two parts.
constexpr absl::Duration kPause = absl::Milliseconds(1);

}  // namespace

void Cooling::Begin(const std::weak_ptr<void>& owner) {
  MutexLock lock(mutex_);
  // An owner that is about to be no more may outlive its poller.
  if (armed_.load(std::memory_order_relaxed) || owner.expired()) return;
  poller_ = find_poller_();
  // Without one, whatever is kept stays until the next use.
  if (poller_ == nullptr) return;
  armed_.store(true, std::memory_order_seq_cst);
  Arm(owner, kKeptFor);
}

void Cooling::Arm(const std::weak_ptr<void>& owner, absl::Duration after) {
  // The poller's own task: what it touches may belong to the role.
  poller_->AddTimer(Deadline::After(after), poller_.get(), [this, owner] {
    if (const std::shared_ptr<void> alive = owner.lock()) Tick(owner);
  });
}

void Cooling::Tick(const std::weak_ptr<void>& owner) {
  {
    MutexLock lock(mutex_);
    if (used_.exchange(false, std::memory_order_seq_cst)) return Arm(owner, kKeptFor);
  }
  const bool more = cool_();
  std::shared_ptr<Poller> done;  // destroyed after the lock, for that may end a thread
  {
    MutexLock lock(mutex_);
    if (more) return Arm(owner, kPause);
    armed_.store(false, std::memory_order_seq_cst);
    done = std::move(poller_);
  }
  // Whoever has used some since has seen that a timer was set.
  if (used_.load(std::memory_order_seq_cst)) Begin(owner);
}

}  // namespace nigh
