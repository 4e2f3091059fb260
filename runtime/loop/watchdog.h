#ifndef NIGH_RUNTIME_LOOP_WATCHDOG_H_
#define NIGH_RUNTIME_LOOP_WATCHDOG_H_

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "nigh/mutex.h"

namespace nigh {

// Says for how long one poller has been inside one handler. The number is odd while it is inside,
// and changes with every handler; whoever makes an odd number even, the poller by returning or the
// watchdog, owns the polling role from then on.
class InlineMark {
 public:
  // By the poller; to be given to Leave. Ordered before the dormant check in Watchdog::Stir.
  uint64_t Enter() { return sequence_.fetch_add(1, std::memory_order_seq_cst) + 1; }
  // False: the role has been taken away meanwhile.
  bool Leave(uint64_t entered) {
    return sequence_.compare_exchange_strong(entered, entered + 1, std::memory_order_acq_rel);
  }
  uint64_t value() const { return sequence_.load(std::memory_order_seq_cst); }
  bool Take(uint64_t inside) {
    return sequence_.compare_exchange_strong(inside, inside + 1, std::memory_order_acq_rel);
  }

 private:
  std::atomic<uint64_t> sequence_ = 0;
};

// One thread that looks after the others: it takes the polling role from a poller whose handler
// overstays. While handlers run it looks every half millisecond; when there has been nothing to see
// for a while it goes dormant, and costs nothing until it is stirred.
class Watchdog {
 public:
  Watchdog() = default;
  ~Watchdog() { Stop(); }

  // Before Start. `taken` is called when the role that `mark` stands for has been taken away; it
  // must soon give it to another thread.
  void Watch(InlineMark& mark, absl::AnyInvocable<void()> taken);

  // False: the system has no thread to give.
  bool Start();
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // To be called by a poller after InlineMark::Enter.
  void Stir() {
    if (dormant_.load(std::memory_order_seq_cst)) [[unlikely]] {
      Wake();
    }
  }

 private:
  struct Watched {
    InlineMark* mark;
    absl::AnyInvocable<void()> taken;
    uint64_t seen = 0;
  };

  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);
  // True: some handler has run since the last look, or runs.
  bool Look();

  std::vector<Watched> watched_;  // the thread's own after Start
  std::atomic<bool> dormant_ = false;
  std::thread thread_;
  Mutex mutex_;
  CondVar changed_;
  bool stirred_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_WATCHDOG_H_
