#ifndef NIGH_RUNTIME_LOOP_WATCHDOG_H_
#define NIGH_RUNTIME_LOOP_WATCHDOG_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "nigh/mutex.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// Says whether one poller is inside a handler, and sets off an alarm when it stays there.
//
// The number is odd while the poller is inside, and changes with every handler. Whoever makes an
// odd number even, the poller by returning or the watchdog, owns the polling role from then on.
//
// The alarm is a dead man's switch. While its poller is busy the poller itself puts the alarm off
// now and then, between handlers, so that no other thread wakes beside a busy server. A poller that
// is inside one handler cannot, and the alarm goes off.
//
//   poller    Enter  Leave  Enter  Leave  PutOff  Enter ...............................  Leave fails
//   alarm     set for 0.8 ms ............ set anew ......... goes off
//   watchdog  sleeps ........................................looks, sets it ..... looks, takes
//
// A mark that no watchdog watches has no alarm.
class InlineMark {
 public:
  InlineMark() = default;
  InlineMark(const InlineMark&) = delete;
  InlineMark& operator=(const InlineMark&) = delete;

  // By the poller; to be given to Leave. One system call if the alarm is not set, else none.
  uint64_t Enter() {
    // Ordered before the look at the alarm, as the watchdog's two are the other way round: one of
    // them sees what the other did.
    const uint64_t entered = sequence_.fetch_add(1, std::memory_order_seq_cst) + 1;
    if (!set_.load(std::memory_order_seq_cst) && alarm_) SetAlarm(kAlarmNanos);
    return entered;
  }
  // False: the role has been taken away meanwhile.
  bool Leave(uint64_t entered) {
    return sequence_.compare_exchange_strong(entered, entered + 1, std::memory_order_acq_rel);
  }

  // By the poller, outside: it is alive at `now`, in steady nanoseconds. At most one system call
  // every 0.4 ms.
  void PutOff(int64_t now) {
    if (now - put_off_.load(std::memory_order_relaxed) > kPutOffNanos &&
        set_.load(std::memory_order_relaxed)) {
      SetAlarm(kAlarmNanos);
    }
  }
  // By the poller, outside, before it sleeps for long: the alarm would wake the watchdog for nothing.
  // One system call if it is set.
  void Disarm();

  // For the watchdog.
  uint64_t value() const { return sequence_.load(std::memory_order_seq_cst); }
  bool Take(uint64_t inside) {
    return sequence_.compare_exchange_strong(inside, inside + 1, std::memory_order_acq_rel);
  }

 private:
  friend class Watchdog;

  static constexpr int64_t kAlarmNanos = 800'000;
  static constexpr int64_t kPutOffNanos = 400'000;

  void SetAlarm(int64_t nanos);

  std::atomic<uint64_t> sequence_ = 0;
  // True: the timer runs, or a thread is just about to start it. Never true with a timer that is
  // stopped and will stay so, for then a handler would be entered with no alarm.
  std::atomic<bool> set_ = false;
  UniqueFd alarm_;                    // the timer; made by Watchdog::Watch
  std::atomic<int64_t> put_off_ = 0;  // when it was last started, in steady nanoseconds
};

// One thread that looks after the pollers of a server: it takes the polling role from one whose
// handler overstays, within 1.2 ms of the handler's beginning. It sleeps until an alarm goes off.
// It must not be of lower priority than the handlers: beside threads that compute it would starve.
class Watchdog {
 public:
  Watchdog() = default;
  ~Watchdog() { Stop(); }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Before Start. `taken` is called when the role that `mark` stands for has been taken away; it
  // must soon give it to another thread. `mark` outlives the watchdog's thread.
  void Watch(InlineMark& mark, absl::AnyInvocable<void()> taken);

  // RESOURCE_EXHAUSTED: the system has no descriptor or no thread to give.
  absl::Status Start();
  // Any number of times.
  void Stop();

  // How often an alarm has gone off, that is how often the thread has been awake. For tests.
  int64_t alarms() const { return alarms_.load(std::memory_order_relaxed); }

 private:
  struct Watched {
    InlineMark* mark;
    absl::AnyInvocable<void()> taken;
    uint64_t seen = 0;  // at the last alarm, if it was inside
  };

  void Run();
  // An alarm has gone off.
  static void Look(Watched& watched);

  std::deque<Watched> watched_;  // the thread's own after Start
  UniqueFd stop_;
  std::thread thread_;
  std::atomic<int64_t> alarms_ = 0;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_WATCHDOG_H_
