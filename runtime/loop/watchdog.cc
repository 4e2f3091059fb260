#include "nigh/runtime/loop/watchdog.h"

#include <cstdint>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"

namespace nigh {
namespace {

// A handler is taken to overstay when two looks find it: after half a tick at least, two at most.
constexpr absl::Duration kTick = absl::Microseconds(500);
// So many looks without any sign of a handler, and the watchdog goes dormant.
constexpr int kPatience = 100;

}  // namespace

void Watchdog::Watch(InlineMark& mark, absl::AnyInvocable<void()> taken) {
  watched_.push_back({.mark = &mark, .taken = std::move(taken)});
}

bool Watchdog::Start() {
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error&) {
    return false;
  }
  return true;
}

void Watchdog::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

void Watchdog::Wake() {
  MutexLock lock(mutex_);
  stirred_ = true;
  changed_.SignalAll();
}

bool Watchdog::Look() {
  bool active = false;
  for (Watched& watched : watched_) {
    const uint64_t now = watched.mark->value();
    if (now != watched.seen) {
      watched.seen = now;
      active = true;
    } else if (now % 2 == 1) {
      // Inside the same handler as half a millisecond ago.
      if (watched.mark->Take(now)) watched.taken();
      watched.seen = now + 1;
      active = true;
    }
  }
  return active;
}

void Watchdog::Run() {
  int quiet = 0;
  MutexLock lock(mutex_);
  while (!stopping_) {
    bool active;
    {
      MutexUnlock unlock(mutex_);
      active = Look();
    }
    quiet = active ? 0 : quiet + 1;
    const Deadline wake = quiet < kPatience ? Deadline::After(kTick) : Deadline::Infinite();
    if (quiet >= kPatience) {
      // Dormant first, then one more look: a poller enters first, then looks whether to stir. Both
      // are sequentially consistent, so one of the two sees the other.
      dormant_.store(true, std::memory_order_seq_cst);
      MutexUnlock unlock(mutex_);
      active = Look();
    }
    if (!active || quiet < kPatience) {
      while (!stirred_ && !stopping_ && !wake.HasPassed()) changed_.WaitUntil(mutex_, wake);
    }
    if (std::exchange(stirred_, false) || active) quiet = 0;
    dormant_.store(false, std::memory_order_seq_cst);
  }
}

}  // namespace nigh
