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
// The mark is a number. It is odd while the poller is inside, and every handler changes it. Whoever
// makes an odd number even has the polling role from then on: the poller when it returns, or the
// watchdog.
//
// The alarm is a dead man's switch. A busy poller puts it off now and then, between handlers, so
// that no other thread wakes beside a busy server. A poller that stays inside one handler cannot,
// and the alarm goes off.
//
//   poller    Enter  Leave  Enter  Leave  PutOff  Enter .............................. Leave fails
//   alarm     set for 0.8 ms ............ set anew ......... goes off
//   watchdog  sleeps ....................................... looks, sets it .... looks, takes
//
// A mark that no watchdog watches has no alarm, and Leave never fails.
class InlineMark {
 public:
  InlineMark() = default;
  InlineMark(const InlineMark&) = delete;
  InlineMark& operator=(const InlineMark&) = delete;

  // Called by the poller, before a handler. Returns what Leave takes. Makes one system call if the
  // alarm is not set, else none.
  uint64_t Enter() {
    // The poller changes the number, then reads set_. The watchdog clears set_, then reads the
    // number. All four are sequentially consistent, so at least one of the two sees what the other
    // wrote, and the alarm gets set.
    const uint64_t entered = sequence_.fetch_add(1, std::memory_order_seq_cst) + 1;
    if (!set_.load(std::memory_order_seq_cst) && alarm_) SetAlarm(kAlarmNanos);
    return entered;
  }
  // Called by the poller, after the handler. False: the role has been taken away meanwhile.
  bool Leave(uint64_t entered) {
    return sequence_.compare_exchange_strong(entered, entered + 1, std::memory_order_acq_rel);
  }

  // Called by the poller outside a handler: it is alive at `now`, in steady nanoseconds. Makes at
  // most one system call every 0.4 ms.
  void PutOff(int64_t now) {
    if (now - put_off_.load(std::memory_order_relaxed) > kPutOffNanos &&
        set_.load(std::memory_order_relaxed)) {
      SetAlarm(kAlarmNanos);
    }
  }
  // By the poller, outside, before it sleeps for long: the alarm would wake the watchdog for nothing.
  // One system call if it is set.
  void Disarm();

  // For the watchdog: the number, and the role if the number is still `inside`, which is odd.
  uint64_t value() const { return sequence_.load(std::memory_order_seq_cst); }
  bool Take(uint64_t inside) {
    // Acquire what the poller wrote before Enter: the thread that gets the role goes on from there.
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

// One thread that watches the pollers of a server. It takes the polling role from a poller whose
// handler overstays, within 1.2 ms of the handler's beginning. It sleeps until an alarm goes off.
// Its priority must not be lower than the handlers': beside threads that compute it would starve.
class Watchdog {
 public:
  Watchdog() = default;
  ~Watchdog() { Stop(); }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Must be called before Start. The watchdog's thread calls `taken` when it has taken the role
  // that `mark` stands for; `taken` must soon give it to another thread. `mark` must outlive the
  // watchdog's thread.
  void Watch(InlineMark& mark, absl::AnyInvocable<void()> taken);

  // Fails with RESOURCE_EXHAUSTED when the system has no descriptor or no thread to give.
  absl::Status Start();
  // Ends the thread and waits for it. May be called any number of times.
  void Stop();

  // How often an alarm has gone off, that is, how often the thread has been awake. For tests.
  int64_t alarms() const { return alarms_.load(std::memory_order_relaxed); }

 private:
  struct Watched {
    InlineMark* mark;
    absl::AnyInvocable<void()> taken;
    uint64_t seen = 0;  // the mark's number at the last look
  };

  void Run();
  // Looks at a mark whose alarm has gone off: sets it again, takes the role, or lets it rest.
  static void Look(Watched& watched);

  std::deque<Watched> watched_;  // after Start only the thread touches it
  UniqueFd stop_;
  std::thread thread_;
  std::atomic<int64_t> alarms_ = 0;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_WATCHDOG_H_
