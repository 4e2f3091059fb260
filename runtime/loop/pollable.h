#ifndef NIGH_RUNTIME_LOOP_POLLABLE_H_
#define NIGH_RUNTIME_LOOP_POLLABLE_H_

#include <sys/types.h>

#include <optional>

#include "nigh/runtime/loop/watchdog.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/waiter.h"

namespace nigh {

// A source that a Poller polls: a session of either side, or a listener. The thread that has the
// poller's role calls all of it, with no lock held.
class Pollable {
 public:
  enum class Turn {
    kNothing,   // nothing had arrived, but something may at any moment
    kQuiet,     // nothing had arrived, and nothing is expected soon
    kSoon,      // all that had arrived is done, and something is about to
    kDrained,   // something was done, and nothing more had arrived
    kBusy,      // something was done, and there may be more
    kEnded,     // the poller must let go of it
    kRoleLost,  // a handler overstayed: the role belongs to another thread now
  };

  virtual ~Pollable() = default;

  // Receives and dispatches a bounded number of frames. It enters `mark` around code that may
  // overstay. A turn that has lost the role touches nothing of the source any more, for the thread
  // that has it may let go of the source.
  virtual Turn TakeTurn(InlineMark& mark) = 0;

  // Whether a turn would find nothing, as far as one load tells.
  virtual bool Silent() const { return false; }

  // Whose work it is, which does not change. Sources of one user share that user's part of the
  // poller's time (TimeShares). Nothing: nobody's in particular, or somebody's who has no name.
  virtual std::optional<uid_t> user() const { return std::nullopt; }

  // Returns what to poll for before sleeping. Wake::ready(): take another turn instead.
  virtual Wake ArmReceive() = 0;

  // Whether it takes nothing in until what waits for room has left. Then only that is polled for,
  // and the end where that has a descriptor of its own, until ResumeSending says that it goes on.
  virtual bool Pauses() { return false; }

  // Returns what to poll for while something waits for room, or nothing when nothing waits.
  // Wake::ready(): call ResumeSending instead.
  virtual std::optional<Wake> ArmSend() { return std::nullopt; }
  // Sends what waits: there may be room again. True: it is to have turns, for something is left
  // that does not wait for room, or it pauses no more.
  virtual bool ResumeSending() { return false; }

  // Returns what a turn with nothing to receive costs.
  virtual Waiter::PollCost poll_cost() const { return Waiter::PollCost::kSystemCall; }
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_POLLABLE_H_
