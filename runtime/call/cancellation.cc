#include "nigh/cancellation.h"

#include <atomic>
#include <thread>
#include <utility>

#include "absl/algorithm/container.h"
#include "nigh/mutex.h"

namespace nigh {

void Cancellation::Request() {
  if (Mark()) RunCallbacks();
}

bool Cancellation::Mark() {
  MutexLock lock(mutex_);
  return !requested_.exchange(true, std::memory_order_seq_cst) &&
         (entry_.id != 0 || !more_.empty());
}

void Cancellation::RunCallbacks() {
  MutexLock lock(mutex_);
  for (Entry entry = TakeNext(); entry.id != 0; entry = TakeNext()) {
    running_ = entry.id;
    runner_ = std::this_thread::get_id();
    {
      MutexUnlock unlock(mutex_);
      entry.callback();
      entry.callback = nullptr;  // destroyed before AwaitRun returns, so before the owner goes on
    }
    running_ = 0;
    ran_.SignalAll();
  }
}

Cancellation::Entry Cancellation::TakeNext() {
  Entry next;
  if (entry_.id != 0) {
    next = std::exchange(entry_, Entry());
  } else if (!more_.empty()) {
    next = std::move(more_.front());
    more_.erase(more_.begin());
  }
  return next;
}

Cancellation::Id Cancellation::Add(Callback callback) {
  {
    MutexLock lock(mutex_);
    if (!requested()) {
      const Id id = next_++;
      if (entry_.id == 0) {
        entry_.id = id;
        entry_.callback = std::move(callback);
      } else {
        more_.push_back({id, std::move(callback)});
      }
      return id;
    }
  }
  // Cancelled already. With the lock released: the callback may call back here.
  callback();
  return 0;
}

Cancellation::Callback Cancellation::Take(Id id) {
  if (entry_.id == id) {
    entry_.id = 0;
    return std::move(entry_.callback);
  }
  const auto entry = absl::c_find_if(more_, [&](const Entry& e) { return e.id == id; });
  if (entry == more_.end()) return nullptr;
  Callback taken = std::move(entry->callback);
  more_.erase(entry);
  return taken;
}

void Cancellation::AwaitRun(Id id) {
  // A callback may remove itself. Waiting for itself would never end.
  while (running_ == id && runner_ != std::this_thread::get_id()) ran_.Wait(mutex_);
}

void Cancellation::RemoveOne(Id id) {
  Callback removed;  // destroyed after the lock
  MutexLock lock(mutex_);
  removed = Take(id);
  if (removed == nullptr) AwaitRun(id);
}

void Cancellation::Settle(Id id) {
  if (id == 0) return;
  Callback missed;
  {
    MutexLock lock(mutex_);
    missed = Take(id);
    if (missed == nullptr) return AwaitRun(id);
  }
  if (requested()) missed();
}

void Cancellation::Reset() {
  requested_.store(false, std::memory_order_relaxed);
  if (entry_.id != 0) entry_ = Entry();
  if (!more_.empty()) more_.clear();
}

}  // namespace nigh
