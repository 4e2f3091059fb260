#ifndef NIGH_TRANSPORT_WAITER_H_
#define NIGH_TRANSPORT_WAITER_H_

#include <cstdint>
#include <optional>

#include "nigh/api.h"

namespace nigh {

// How long a thread polls before it goes to sleep. The defaults suit every placement that was
// measured (docs/architecture.md, "Waiting"). A program that owns its CPUs may raise `spins`; a
// caller does not spin while another one receives for it.
struct WaitPolicy {
  // The number of polls with only a pause between them, for media that are polled without a system
  // call.
  int spins = 40;
  // The number of polls with a sched_yield(2) between them. Where a poll is no system call, and so
  // takes less time, there are four times as many. Polling should last about as long as waking a
  // sleeper takes. A thread that falls asleep earlier makes its peer wait longer than the peer
  // polls, and then both sleep.
  int yields = 40;
};

// Decides, after a poll that found nothing, whether to spin, to yield the CPU or to sleep. This is
// nigh's one wait policy, for every medium and both sides:
//
//   Waiter waiter(policy);
//   for (;;) {
//     if (Poll()) { waiter.Found(); continue; }
//     if (waiter.PollAgain(kCheap)) continue;
//     Arm(); Sleep(); waiter.Slept();
//   }
//
// First it spins a little: a peer on another CPU answers within that time. Then it yields: a peer
// on this CPU answers only when it gets to run. It stops yielding when several yields have taken so
// long that somebody else evidently needs the CPU, or when the wait has lasted longer than waking
// up would cost.
//
// It learns. When waits have usually been longer than that, it goes to sleep at once. When spins
// have found nothing for long, as on a CPU that both sides share, it yields at once.
//
// Used by one thread at a time.
class NIGH_API Waiter {
 public:
  enum class PollCost {
    kCheap,       // a poll reads memory
    kSystemCall,  // a poll enters the kernel: yielding beats spinning
  };

  explicit Waiter(const WaitPolicy& policy) : policy_(policy) {}

  // Call after a poll that found something. The next wait starts anew.
  void Found();

  // Forgets the present wait, because another thread begins to poll.
  void Reset();

  // Call when the peer says that something is about to come. The wait begins anew, and polls
  // however long past waits were, unless others need the CPU.
  void Expect();

  // Call after a poll that found nothing. True: a pause or a yield has passed; poll again. False:
  // sleep.
  bool PollAgain(PollCost cost);

  // The moment when the last yield of PollAgain ended, in steady nanoseconds. nullopt after a
  // pause.
  std::optional<int64_t> yielded_at() const {
    return started_ == 0 ? std::nullopt : std::optional(last_);
  }

  // Call after a sleep. The wait that ends with the next Found() was a long one.
  void Slept() { slept_ = true; }

 private:
  void StartWait();

  const WaitPolicy policy_;
  int polls_ = 0;              // in this wait
  int spins_ = 0;              // for this wait
  int vain_spins_ = 0;         // waits in a row that outlasted their spins
  bool expects_ = false;       // in this wait
  bool slept_ = false;         // likewise
  bool yielded_ = false;       // likewise
  bool yielded_long_ = false;  // likewise
  bool lost_slice_ = false;    // likewise, to another thread
  int long_yields_ = 0;        // lately, less the waits without
  int lost_slices_ = 0;        // lately, less the waits that yielded and lost none
  int64_t started_ = 0;        // steady nanoseconds; 0 outside a wait
  int64_t last_ = 0;           // when the last yield returned
  int64_t usual_ = 0;          // running mean of past waits, nanoseconds
  uint32_t waits_ = 0;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORT_WAITER_H_
