#ifndef NIGH_RUNTIME_LOOP_POLLABLE_H_
#define NIGH_RUNTIME_LOOP_POLLABLE_H_

#include <optional>

#include "nigh/runtime/loop/watchdog.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/waiter.h"

namespace nigh {

// What a Poller looks after: a session of either side, a listener. All of it is called by the
// thread that has the poller's role, with no lock held.
class Pollable {
 public:
  enum class Turn {
    kNothing,   // nothing had arrived; more may at any moment
    kQuiet,     // nothing had arrived, and nothing is expected soon
    kDrained,   // something was done, and nothing more had arrived
    kBusy,      // something was done, and there may be more
    kEnded,     // the poller is to let go of it
    kRoleLost,  // a handler overstayed; everything belongs to another thread now
  };

  virtual ~Pollable() = default;

  // Receives, for a while at most. `mark` is to be entered around code that may overstay.
  virtual Turn TakeTurn(InlineMark& mark) = 0;

  // What to poll for before sleeping. Wake::ready(): take another turn instead.
  virtual Wake ArmReceive() = 0;

  // What to poll for while something waits for room; nothing when nothing does.
  virtual std::optional<Wake> ArmSend() { return std::nullopt; }
  // There may be room again.
  virtual void ResumeSending() {}

  // What a turn with nothing to receive costs.
  virtual Waiter::PollCost poll_cost() const { return Waiter::PollCost::kSystemCall; }
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_POLLABLE_H_
