#ifndef NIGH_RUNTIME_LOOP_WATCHDOG_H_
#define NIGH_RUNTIME_LOOP_WATCHDOG_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "nigh/deadline.h"
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
//   alarm     set ....................... set anew ......... goes off
//   watchdog  sleeps ....................................... looks, sets it .... looks, takes
//
// There are two alarms. A soon one is due after 1.5 ms. It falls before the kernel's next tick (4
// ms where CONFIG_HZ is 250), so it programs the CPU's timer, which takes some 10 us in a virtual
// machine. A late one, after 5 ms, takes 0.6 us. A poller that is busy puts off the soon one, which
// costs it 1 % of its time: while it serves many, many would wait for a handler that overstays. A
// poller that runs a handler now and then would pay the 10 us for each of them. It sets the late
// one for a handler that has always been quick, which nearly all are, and the soon one for others.
//
// A mark that no watchdog watches has no alarm, and Leave never fails.
class InlineMark {
 public:
  InlineMark() = default;
  InlineMark(const InlineMark&) = delete;
  InlineMark& operator=(const InlineMark&) = delete;

  // What is known of the handler that is about to run.
  enum class Usual { kUnknown, kQuick };

  // Called by the poller, before a handler. Returns what Leave takes. Makes one system call if no
  // alarm is set, or only a late one where a soon one is needed; else none.
  uint64_t Enter(Usual usual = Usual::kUnknown) {
    // The poller changes the number, then reads set_. The watchdog clears set_, then reads the
    // number. All four are sequentially consistent, so at least one of the two sees what the other
    // wrote, and the alarm gets set.
    const uint64_t entered = sequence_.fetch_add(1, std::memory_order_seq_cst) + 1;
    const Alarm needed = usual == Usual::kQuick ? Alarm::kLate : Alarm::kSoon;
    if (set_.load(std::memory_order_seq_cst) < needed && alarm_) SetAlarm(needed, SteadyNanos());
    return entered;
  }
  // Called by the poller, after the handler. False: the role has been taken away meanwhile.
  bool Leave(uint64_t entered) {
    return sequence_.compare_exchange_strong(entered, entered + 1, std::memory_order_acq_rel);
  }

  // Called by the poller outside a handler: it is alive at `now`, in steady nanoseconds. Makes at
  // most one system call every 1.1 ms, or 3.5 ms where the alarm is a late one.
  void PutOff(int64_t now) {
    const Alarm alarm = set_.load(std::memory_order_relaxed);
    if (alarm == Alarm::kNone) return;
    const int64_t since = now - put_off_.load(std::memory_order_relaxed);
    if (since <= (alarm == Alarm::kSoon ? kPutOffSoonNanos : kPutOffLateNanos)) return;
    const uint64_t handlers = (value() - std::exchange(counted_, value())) / 2;
    // Where few run, a handler that needs a soon one will set it.
    SetAlarm(static_cast<int64_t>(handlers) * kBusyNanos > since ? Alarm::kSoon : Alarm::kLate,
             now);
  }

  // For the watchdog: the number, and the role if the number is still `inside`, which is odd.
  uint64_t value() const { return sequence_.load(std::memory_order_seq_cst); }
  bool Take(uint64_t inside) {
    // Acquire what the poller wrote before Enter: the thread that gets the role goes on from there.
    return sequence_.compare_exchange_strong(inside, inside + 1, std::memory_order_acq_rel);
  }

  // Whether a soon alarm is set. For tests.
  bool alarm_is_soon() const { return set_.load(std::memory_order_relaxed) == Alarm::kSoon; }

 private:
  friend class Watchdog;

  enum class Alarm { kNone, kLate, kSoon };

  static constexpr int64_t kPutOffSoonNanos = 1'100'000;
  static constexpr int64_t kPutOffLateNanos = 3'500'000;
  // A poller is busy if it runs a handler more often than this, on average.
  static constexpr int64_t kBusyNanos = 100'000;

  void SetAlarm(Alarm alarm, int64_t now);
  // For the second look at a handler.
  void SetAlarmAgain();
  void StartTimer(Alarm alarm, int64_t nanos, int64_t now);

  std::atomic<uint64_t> sequence_ = 0;
  // Unless none: the timer runs, or a thread is just about to start it. It never says that it is
  // set where the timer is stopped and will stay so, for then a handler would be entered with no
  // alarm.
  std::atomic<Alarm> set_ = Alarm::kNone;
  UniqueFd alarm_;                    // the timer; made by Watchdog::Watch
  std::atomic<int64_t> put_off_ = 0;  // when it was last started, in steady nanoseconds
  uint64_t counted_ = 0;              // the number when the poller last put it off
};

// One thread that watches the pollers of a server. It takes the polling role from a poller whose
// handler overstays, within 1.8 ms of the handler's beginning; within 5.3 ms where the handler has
// always been quick and the poller is not busy. It sleeps until an alarm goes off.
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
  int error_ = 0;  // why a descriptor is missing
  std::thread thread_;
  std::atomic<int64_t> alarms_ = 0;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_WATCHDOG_H_
