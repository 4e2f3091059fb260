#ifndef NIGH_RUNTIME_BASE_PARKING_H_
#define NIGH_RUNTIME_BASE_PARKING_H_

#include <atomic>
#include <cstdint>

#include "nigh/deadline.h"
#include "nigh/runtime/base/futex.h"

namespace nigh {

// Where one thread sleeps until another has changed something for it. A futex word.
//
//   sleeper                              waker
//   spot.Prepare();                      change what the sleeper waits for;
//   if (nothing has changed) {           spot.Unpark();
//     spot.Park(deadline);
//   }
//   spot.Leave();
//
// What the sleeper looks at between Prepare and Park must be read, and what the waker changes be
// written, in sequentially consistent order. Then either the sleeper sees the change, or the waker
// sees the sleeper. Unpark makes no system call unless somebody sleeps.
//
// `Word` is FutexWord; a test takes it through every interleaving with one of its own.
template <class Word>
class BasicParkingSpot {
 public:
  // By the sleeper.
  void Prepare() { word_.store(kParked, std::memory_order_seq_cst); }
  // Sleeps until Unpark or `deadline`. May also return for no reason.
  void Park(Deadline deadline) { word_.Wait(kParked, deadline); }
  void Leave() { word_.store(kEmpty, std::memory_order_relaxed); }

  // By any thread. The spot may be another's by then, who wakes for no reason.
  void Unpark() {
    if (word_.load(std::memory_order_seq_cst) == kParked &&
        word_.exchange(kEmpty, std::memory_order_acq_rel) == kParked) {
      word_.WakeOne();
    }
  }

 private:
  static constexpr uint32_t kEmpty = 0;
  static constexpr uint32_t kParked = 1;

  Word word_{kEmpty};
};

using ParkingSpot = BasicParkingSpot<FutexWord>;

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_PARKING_H_
