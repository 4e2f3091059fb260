// What the threads of an exchange and the receiver do to its slot, in every interleaving: frames
// come, somebody cancels, the connection is lost, and the exchange is destroyed as soon as it may
// be. The number may be another call's as soon as it is free.
//
// The steps are those of the real SlotState. What stands between them is written down once more
// below, as ClientExchange, ClientLink and ClientSession have it.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "nigh/runtime/client/slot.h"
#include "tests/support/interleaver.h"

namespace nigh {
namespace {

using testing::Interleaver;
using testing::Memory;
using testing::Replay;

// Where what lies in memory.
enum Word : size_t {
  kState,     // the slot's
  kMutex,     // the exchange's: held, or not
  kSection,   // the sender's lock
  kClosed,    // the call is over, for its threads
  kHasSlot,   // the exchange has
  kAlive,     // the exchange is
  kCancels,   // have been sent
  kFrees,     // the number has been given back
  kClaimed,   // by another call since
  kReturned,  // cancellers that have
  kWrong,
  kWords
};

enum class Frame { kMessage, kResponse, kEndOfConnection };

// What is made wrong on purpose.
enum class Flaw { kNone, kTakeEndsLate, kNobodyWaits, kCancelSentLate };

class World {
 public:
  World(Replay& replay, Flaw flaw) : replay_(replay), flaw_(flaw) {}

  void Receive(const std::vector<Frame>& frames) {
    for (const Frame frame : frames) {
      if (frame == Frame::kEndOfConnection) {
        if (State().Lose()) Lose();
      } else {
        Route(frame == Frame::kResponse);
      }
    }
  }

  // ClientExchange::Cancel.
  void Cancel() {
    Lock(kMutex);
    if (Get(kClosed) == 0) {
      Set(kClosed, 1);
      if (GiveUp([&] { return State().Leave(); })) Set(kHasSlot, 0);
    }
    Unlock(kMutex);
    replay_.Do([](Memory& memory) { return ++memory[kReturned]; });
  }

  // Its thread waits for the end, and until nobody can cancel it any more, and destroys it.
  void Finish(uint64_t cancellers) {
    replay_.Wait([cancellers](const Memory& memory) {
      return memory[kClosed] != 0 && memory[kMutex] == 0 && memory[kReturned] == cancellers;
    });
    for (bool waits = flaw_ != Flaw::kNobodyWaits; waits;) {
      replay_.Wait([](const Memory& memory) { return memory[kHasSlot] == 0; });
      Lock(kMutex);
      waits = Get(kHasSlot) != 0;
      Unlock(kMutex);
    }
    Set(kAlive, 0);
  }

  // Another call takes the number.
  void Claim() {
    replay_.Wait([](const Memory& memory) { return memory[kFrees] != 0; });
    Lock(kSection);
    Set(kClaimed, 1);
    Unlock(kSection);
  }

 private:
  struct Bound : testing::Atomic<SlotValue> {
    static inline Replay* replay = nullptr;
    explicit Bound(SlotValue) : Atomic(*replay, kState) {}
  };
  BasicSlotState<Bound> State() {
    Bound::replay = &replay_;
    return {};
  }

  uint64_t Get(Word word) {
    return replay_.Do([word](Memory& memory) { return memory[word]; });
  }
  void Set(Word word, uint64_t value) {
    replay_.Do([=](Memory& memory) { return memory[word] = value; });
  }
  // Adds one, and notes whether something is wrong by now.
  void Count(Word word, Word wrong_if) {
    replay_.Do([=](Memory& memory) {
      memory[kWrong] |= memory[wrong_if];
      return ++memory[word];
    });
  }
  void Lock(Word word) {
    replay_.Make({.effect =
                      [word](Memory& memory) {
                        if (word == kMutex && memory[kAlive] == 0) memory[kWrong] = 1;
                        return memory[word] = 1;
                      },
                  .enabled = [word](const Memory& memory) { return memory[word] == 0; }});
  }
  void Unlock(Word word) { Set(word, 0); }

  // ClientSession::Route and ClientExchange::Take.
  void Route(bool response) {
    if (State().value() == SlotValue::kOpen && State().BeginTake()) {
      Lock(kMutex);
      if (response) Set(kClosed, 1);
      const bool goes_on = !response && Get(kClosed) == 0;
      if (flaw_ == Flaw::kTakeEndsLate && goes_on) Unlock(kMutex);
      EndTake(response, goes_on);
      if (flaw_ != Flaw::kTakeEndsLate || !goes_on) Unlock(kMutex);
    } else if (response && State().MeetLeft()) {
      Count(kFrees, kClaimed);
    }
  }
  void EndTake(bool response, bool goes_on) {
    if (goes_on) return State().EndTake(/*last=*/false);
    Set(kHasSlot, 0);
    if (response) {
      State().Free();
      Count(kFrees, kClaimed);
    } else {
      (void)GiveUp([&] {
        State().LeaveTaken();
        return true;
      });
    }
  }
  void Lose() {
    Lock(kMutex);
    Set(kClosed, 1);
    Set(kHasSlot, 0);
    Unlock(kMutex);
  }

  // ClientLink::GiveUpOnce. A CANCEL that is sent once another call has the number would kill that.
  template <class Leave>
  bool GiveUp(const Leave& leave) {
    Lock(kSection);
    const bool left = leave();
    if (flaw_ == Flaw::kCancelSentLate) Unlock(kSection);
    if (left) Count(kCancels, kClaimed);
    if (flaw_ != Flaw::kCancelSentLate) Unlock(kSection);
    return left;
  }

  Replay& replay_;
  const Flaw flaw_;
};

struct Outcome {
  size_t ends = 0;
  size_t stuck = 0;
  size_t wrong = 0;
};

Outcome Explore(const std::vector<Frame>& frames, uint64_t cancellers, Flaw flaw = Flaw::kNone) {
  std::vector<Interleaver::Thread> threads;
  threads.emplace_back([=](Replay& replay) { World(replay, flaw).Receive(frames); });
  threads.emplace_back([=](Replay& replay) { World(replay, flaw).Finish(cancellers); });
  for (uint64_t i = 0; i < cancellers; ++i) {
    threads.emplace_back([=](Replay& replay) { World(replay, flaw).Cancel(); });
  }
  const bool answered = frames.back() == Frame::kResponse;
  const bool lost = frames.back() == Frame::kEndOfConnection;
  if (answered) threads.emplace_back([=](Replay& replay) { World(replay, flaw).Claim(); });
  Memory memory(kWords, 0);
  memory[kState] = static_cast<uint64_t>(SlotValue::kOpen);
  memory[kHasSlot] = memory[kAlive] = 1;
  Outcome outcome;
  const Interleaver interleaver(std::move(threads), memory, [&](const Memory& end, bool ended) {
    if (!ended) return;
    const auto state = static_cast<SlotValue>(end[kState]);
    bool right = end[kWrong] == 0 && end[kAlive] == 0 && end[kHasSlot] == 0 && end[kCancels] <= 1;
    if (answered) right = right && state == SlotValue::kFree && end[kFrees] == 1;
    if (!answered && !lost) right = right && state == SlotValue::kLeft && end[kCancels] == 1;
    if (lost) {
      right = right && state == (end[kCancels] == 1 ? SlotValue::kLeft : SlotValue::kLost);
    }
    outcome.wrong += right ? 0 : 1;
  });
  outcome.ends = interleaver.ends();
  outcome.stuck = interleaver.stuck();
  return outcome;
}

void ExpectRight(const Outcome& outcome) {
  EXPECT_GT(outcome.ends, 0u);
  EXPECT_EQ(outcome.stuck, 0u);
  EXPECT_EQ(outcome.wrong, 0u);
}

TEST(ExchangeSlot, IsFreeOnceTheServerHasAnsweredWhoeverCancels) {
  ExpectRight(Explore({Frame::kMessage, Frame::kResponse}, /*cancellers=*/1));
  ExpectRight(Explore({Frame::kResponse}, /*cancellers=*/2));
}

TEST(ExchangeSlot, IsGivenUpByOneCancelWhileMessagesCome) {
  ExpectRight(Explore({Frame::kMessage}, /*cancellers=*/2));
  ExpectRight(Explore({Frame::kMessage, Frame::kMessage}, /*cancellers=*/1));
}

TEST(ExchangeSlot, IsLostWithTheConnection) {
  ExpectRight(Explore({Frame::kMessage, Frame::kEndOfConnection}, /*cancellers=*/1));
  ExpectRight(Explore({Frame::kEndOfConnection}, /*cancellers=*/2));
}

// A thread of the exchange looks at its number of changes without the mutex, and sleeps at a spot.
size_t SleepersForEver(bool weak) {
  enum : size_t { kChanges, kSpot, kPlaces };
  class SpotWord : public testing::Atomic<uint32_t> {
   public:
    using Atomic::Atomic;
    void Wait(uint32_t value) const {
      replay_->Wait([at = at_, value](const Memory& memory) { return memory[at] != value; });
    }
  };
  const Interleaver interleaver(
      {// ClientExchange::Changed.
       [=](Replay& replay) {
         testing::Atomic<uint64_t>(replay, kChanges)
             .store(1, weak ? std::memory_order_release : std::memory_order_seq_cst);
         SpotWord spot(replay, kSpot);
         if (spot.load(std::memory_order_seq_cst) == 1) {
           (void)spot.exchange(0, std::memory_order_acq_rel);
         }
       },
       // Pump::Park.
       [=](Replay& replay) {
         SpotWord spot(replay, kSpot);
         spot.store(1, std::memory_order_seq_cst);
         if (testing::Atomic<uint64_t>(replay, kChanges).load(std::memory_order_seq_cst) == 0) {
           spot.Wait(1);
         }
       }},
      Memory(kPlaces, 0), [](const Memory&, bool) {});
  return interleaver.stuck();
}

TEST(ExchangeSlot, NoThreadSleepsThroughAChange) {
  EXPECT_EQ(SleepersForEver(/*weak=*/false), 0u);
  EXPECT_GT(SleepersForEver(/*weak=*/true), 0u) << "a weaker store loses the wake-up";
}

TEST(ExchangeSlot, EachWayToDoItWrongIsFoundOut) {
  EXPECT_GT(Explore({Frame::kMessage}, 1, Flaw::kTakeEndsLate).stuck, 0u);
  EXPECT_GT(Explore({Frame::kMessage}, 1, Flaw::kNobodyWaits).wrong, 0u);
  EXPECT_GT(Explore({Frame::kResponse}, 1, Flaw::kCancelSentLate).wrong, 0u);
}

}  // namespace
}  // namespace nigh
