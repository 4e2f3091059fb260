#include "nigh/cancellation.h"

#include <atomic>
#include <thread>
#include <utility>

#include "absl/algorithm/container.h"
#include "nigh/base/mutex.h"

namespace nigh {

void Cancellation::Request() {
  if (Mark()) RunCallbacks();
}

bool Cancellation::Mark() {
  MutexLock lock(mutex_);
  return !requested_.exchange(true, std::memory_order_acq_rel) && !entries_.empty();
}

void Cancellation::RunCallbacks() {
  MutexLock lock(mutex_);
  while (!entries_.empty()) {
    Entry entry = std::move(entries_.front());
    entries_.erase(entries_.begin());
    running_ = entry.id;
    runner_ = std::this_thread::get_id();
    {
      MutexUnlock unlock(mutex_);
      entry.callback();
      entry.callback = nullptr;  // what it holds goes before Remove returns
    }
    running_ = 0;
    ran_.SignalAll();
  }
}

Cancellation::Id Cancellation::Add(Callback callback) {
  {
    MutexLock lock(mutex_);
    if (!requested()) {
      entries_.push_back({next_, std::move(callback)});
      return next_++;
    }
  }
  callback();
  return 0;
}

void Cancellation::Remove(Id id) {
  if (id == 0) return;
  Callback removed;  // what it holds goes after the lock
  MutexLock lock(mutex_);
  const auto entry = absl::c_find_if(entries_, [&](const Entry& e) { return e.id == id; });
  if (entry != entries_.end()) {
    removed = std::move(entry->callback);
    entries_.erase(entry);
    return;
  }
  // A callback that removes itself must not wait for itself.
  while (running_ == id && runner_ != std::this_thread::get_id()) ran_.Wait(mutex_);
}

void Cancellation::Reset() {
  requested_.store(false, std::memory_order_relaxed);
  entries_.clear();
}

}  // namespace nigh
