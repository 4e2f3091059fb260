#ifndef NIGH_TRANSPORT_WAITER_H_
#define NIGH_TRANSPORT_WAITER_H_

#include <cstdint>
#include <optional>

namespace nigh {

// How long to look for something to do before going to sleep. The defaults suit every placement
// that was measured (docs/architecture.md, "Waiting"); a program that owns its CPUs may raise
// `spins`.
struct WaitPolicy {
  // Polls with nothing but a pause between them, for media that can be polled without a system
  // call.
  int spins = 40;
  // Polls with a sched_yield(2) between them; four times as many where a poll is no system call and
  // takes that much less. Looking should last about as long as waking a sleeper takes: who falls
  // asleep earlier makes the peer wait for longer than that one looks, and then both sleep.
  int yields = 40;
};

// Decides, between two polls that found nothing, whether to spin, to yield the CPU or to sleep. The
// one wait policy of nigh, for every medium and both sides:
//
//   Waiter waiter(policy);
//   for (;;) {
//     if (Poll()) { waiter.Found(); continue; }
//     if (waiter.PollAgain(kCheap)) continue;
//     Arm(); Sleep(); waiter.Slept();
//   }
//
// It spins a little, for a peer on another CPU answers within that time. Then it yields, for a peer
// on this CPU answers only when it gets to run. It stops yielding when several yields have taken so
// long that somebody else evidently needs the CPU, and when the wait has lasted longer than waking
// up would cost. It learns: when waits have usually been longer than that, it goes to sleep at once; and
// when spins have long found nothing, as on a CPU that both share, it yields at once.
//
// Used by one thread at a time.
class Waiter {
 public:
  enum class PollCost {
    kCheap,       // a poll reads memory
    kSystemCall,  // a poll enters the kernel: yielding beats spinning
  };

  explicit Waiter(const WaitPolicy& policy) : policy_(policy) {}

  // After a poll that found something: the next wait starts anew.
  void Found();

  // Forgets the present wait: somebody else begins to poll.
  void Reset();

  // After a poll that found nothing. True: a pause or a yield has passed, poll again. False: sleep.
  bool PollAgain(PollCost cost);

  // When the yield ended that PollAgain has just made, in steady nanoseconds; nothing after a pause.
  std::optional<int64_t> yielded_at() const {
    return started_ == 0 ? std::nullopt : std::optional(last_);
  }

  // After a sleep: the wait that ends with the next Found() is known to be a long one.
  void Slept() { slept_ = true; }

 private:
  void StartWait();

  const WaitPolicy policy_;
  int polls_ = 0;              // in this wait
  int spins_ = 0;              // for this wait
  int vain_spins_ = 0;         // waits on end that outlasted their spins
  bool slept_ = false;         // in this wait
  bool yielded_long_ = false;  // in this wait
  int long_yields_ = 0;        // lately, less the waits without
  int64_t started_ = 0;        // steady nanoseconds; 0 outside a wait
  int64_t last_ = 0;           // when the last yield returned
  int64_t usual_ = 0;          // running mean of past waits, nanoseconds
  uint32_t waits_ = 0;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORT_WAITER_H_
