#ifndef NIGH_RUNTIME_SERVER_CALL_COUNT_H_
#define NIGH_RUNTIME_SERVER_CALL_COUNT_H_

#include <atomic>
#include <cstdint>

namespace nigh {

// Counts the calls of a session that have not been taken back, in one word with what else there is
// to know: whether it takes calls, and whether somebody has to be told when none is left. A call
// thus holds its session without a reference of its own. And a call that is added is either seen by
// who refuses calls from then on, or finds out that it is refused.
//
// Thread-safe.
class CallCount {
 public:
  // What a session has come to. Each implies that somebody is to be told of the last call.
  enum State : uint64_t {
    kDraining = 1,   // it takes no calls, and ends none
    kCancelled = 2,  // it takes no calls, and all have been ended
    kEnded = 4,      // the connection is over
  };

  // One call more. False: it is refused, but counted all the same. What the caller has written
  // before is seen by whoever sets a state later.
  bool Add() { return word_.fetch_add(kOne, std::memory_order_acq_rel) % kOne == 0; }

  // One call less, unless somebody is to be told of the last one. True: done, and the session may
  // be gone. False: nothing has changed; take a reference to the session, then Remove.
  bool TryRemove() {
    uint64_t word = word_.load(std::memory_order_relaxed);
    while (word % kOne == 0) {
      if (word_.compare_exchange_weak(word, word - kOne, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  void Remove() { word_.fetch_sub(kOne, std::memory_order_acq_rel); }

  void Set(State state) { word_.fetch_or(state, std::memory_order_acq_rel); }
  bool Is(State state) const { return (word_.load(std::memory_order_acquire) & state) != 0; }
  // Whether no call is left.
  bool none() const { return word_.load(std::memory_order_acquire) < kOne; }

 private:
  static constexpr uint64_t kOne = 8;

  std::atomic<uint64_t> word_ = 0;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_CALL_COUNT_H_
