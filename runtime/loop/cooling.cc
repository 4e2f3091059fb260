#include "nigh/runtime/loop/cooling.h"

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/runtime/loop/poller.h"

namespace nigh {
namespace {

// Between two parts.
constexpr absl::Duration kPause = absl::Milliseconds(1);

}  // namespace

void Cooling::Use(const std::weak_ptr<void>& owner) {
  last_use_.store(Deadline::NowNanos(), std::memory_order_relaxed);
  used_.store(true, std::memory_order_seq_cst);
  if (!armed_.load(std::memory_order_seq_cst)) Begin(owner);
}

bool Cooling::IsDue() const {
  const int64_t last_use = last_use_.load(std::memory_order_relaxed);
  return last_use != 0 && Deadline::NowNanos() - last_use >= absl::ToInt64Nanoseconds(kKeptFor);
}

void Cooling::Begin(const std::weak_ptr<void>& owner) {
  MutexLock lock(mutex_);
  // An owner that is about to be no more may outlive its poller.
  if (armed_.load(std::memory_order_relaxed) || owner.expired()) return;
  armed_.store(Arm(owner, kKeptFor), std::memory_order_seq_cst);
}

bool Cooling::Arm(const std::weak_ptr<void>& owner, absl::Duration after) {
  const std::shared_ptr<Poller> poller = find_poller_();
  if (poller == nullptr) return false;
  // The poller's own task: what it touches may belong to the role.
  poller->AddTimer(Deadline::After(after), poller.get(), [this, owner] {
    if (const std::shared_ptr<void> alive = owner.lock()) Tick(owner);
  });
  return true;
}

void Cooling::Tick(const std::weak_ptr<void>& owner) {
  const bool used = used_.exchange(false, std::memory_order_seq_cst);
  const bool again = used || cool_();
  {
    MutexLock lock(mutex_);
    if (again && Arm(owner, used ? kKeptFor : kPause)) return;
    armed_.store(false, std::memory_order_seq_cst);
  }
  // Whoever has used some since has seen that a timer was set.
  if (used_.load(std::memory_order_seq_cst)) Begin(owner);
}

}  // namespace nigh
