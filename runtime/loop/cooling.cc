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
  last_use_.store(Deadline::NowNanos(), std::memory_order_seq_cst);
  if (!armed_.load(std::memory_order_seq_cst)) Begin(owner);
}

bool Cooling::IsLongAgo(int64_t use) {
  return Deadline::NowNanos() - use >= absl::ToInt64Nanoseconds(kKeptFor);
}

bool Cooling::IsDue() const {
  const int64_t last_use = last_use_.load(std::memory_order_relaxed);
  return last_use != 0 && IsLongAgo(last_use);
}

void Cooling::Forget() {
  int64_t last_use = last_use_.load(std::memory_order_relaxed);
  if (IsLongAgo(last_use)) last_use_.compare_exchange_strong(last_use, 0);
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
  const bool in_use = !IsLongAgo(last_use_.load(std::memory_order_seq_cst));
  const bool again = in_use || cool_();
  {
    MutexLock lock(mutex_);
    if (again && Arm(owner, in_use ? kKeptFor : kPause)) return;
    armed_.store(false, std::memory_order_seq_cst);
  }
  // Whoever has used some since has seen that a timer was set.
  if (!IsLongAgo(last_use_.load(std::memory_order_seq_cst))) Begin(owner);
}

}  // namespace nigh
