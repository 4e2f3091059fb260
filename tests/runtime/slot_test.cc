// What callers of unary calls do on one session, in every interleaving: who receives, who takes
// whose frame, who sleeps and who wakes whom, with a caller that gives up and a connection that is
// lost.
//
// The steps are those of the real SlotState, ParkingSpot and PumpToken. What stands between them is
// written down once more below, as UnaryCall and ClientSession have it.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "nigh/deadline.h"
#include "nigh/runtime/base/parking.h"
#include "nigh/runtime/client/pump_token.h"
#include "nigh/runtime/client/slot.h"
#include "tests/support/interleaver.h"

namespace nigh {
namespace {

using testing::Interleaver;
using testing::Memory;
using testing::Replay;

// Where what lies in memory; those of a call are followed by those of the next one.
constexpr size_t kCalls = 3;
constexpr size_t kState = 0;
constexpr size_t kSpot = kState + kCalls;
constexpr size_t kResult = kSpot + kCalls;
constexpr size_t kToken = kResult + kCalls;
constexpr size_t kNeeded = kToken + 1;
constexpr size_t kArrived = kNeeded + 1;  // how many frames have
constexpr size_t kReceived = kArrived + 1;
constexpr size_t kTimeIsUp = kReceived + 1;  // for the call that has a deadline
constexpr size_t kParked = kTimeIsUp + 1;    // the calls in the list, the oldest in the lowest bits
constexpr size_t kWords = kParked + 1;

enum Result : uint64_t { kNone, kReply, kGaveUp, kConnectionLost, kFreeAlready };

// A frame stands for the RESPONSE of a call, or for the end of the connection.
constexpr size_t kEnd = kCalls;

// What is made wrong on purpose.
enum class Flaw { kNone, kTokenLeftLate, kNoSecondLook, kWeakHandOver, kNobodyPassesOn };

// A word whose strict stores are none.
template <class T>
class WeakAtomic : public testing::Atomic<T> {
 public:
  using testing::Atomic<T>::Atomic;
  void store(T value, std::memory_order) {
    testing::Atomic<T>::store(value, std::memory_order_release);
  }
};

// A word to sleep on. At a deadline the sleeper wakes, too.
class SpotWord : public testing::Atomic<uint32_t> {
 public:
  SpotWord(Replay& replay, size_t at, bool has_deadline)
      : Atomic(replay, at), has_deadline_(has_deadline) {}
  void Wait(uint32_t value, Deadline) const {
    replay_->Wait([at = at_, value, timed = has_deadline_](const Memory& memory) {
      return memory[at] != value || (timed && memory[kTimeIsUp] != 0);
    });
  }
  void WakeOne() const {}  // the word has changed

 private:
  const bool has_deadline_;
};

class World {
 public:
  World(Replay& replay, std::vector<size_t> frames, size_t with_deadline, Flaw flaw)
      : replay_(replay), frames_(std::move(frames)), with_deadline_(with_deadline), flaw_(flaw) {}

  // UnaryCall::Await.
  void Call(size_t call) {
    for (;;) {
      if (TryTake()) {
        Lead(call);
      } else {
        Follow(call);
      }
      if (result_ == kReply) break;
      const SlotValue state = State(call).value();
      if (state == SlotValue::kDone) {
        result_ = kReply;
        break;
      }
      if (state == SlotValue::kLost) {
        result_ = kConnectionLost;
        break;
      }
      if (TimeIsUp(call) && State(call).Leave()) {
        result_ = kGaveUp;
        // GiveUp: PromoteFollower.
        PassPump();
        break;
      }
    }
    if (result_ == kReply) {
      if (State(call).value() != SlotValue::kDone) result_ = kFreeAlready;
      State(call).Free();
    }
    replay_.Do(
        [call, result = result_](Memory& memory) { return memory[kResult + call] = result; });
  }

  // The server, and the clock.
  void Serve() {
    for (size_t i = 0; i < frames_.size(); ++i) {
      replay_.Do([](Memory& memory) { return ++memory[kArrived]; });
    }
  }
  void RunOutOfTime() {
    replay_.Do([](Memory& memory) { return memory[kTimeIsUp] = 1; });
  }

 private:
  // Binds the real code to the model: its members are constructed from a value.
  template <class T>
  struct Bound : T {
    static inline Replay* replay = nullptr;
    static inline size_t at = 0;
    explicit Bound(decltype(std::declval<T>().load(std::memory_order_seq_cst))) : T(*replay, at) {}
  };

  using StrictState = BasicSlotState<Bound<testing::Atomic<SlotValue>>>;
  using WeakState = BasicSlotState<Bound<WeakAtomic<SlotValue>>>;

  StrictState State(size_t call) {
    Bound<testing::Atomic<SlotValue>>::replay = &replay_;
    Bound<testing::Atomic<SlotValue>>::at = kState + call;
    return {};
  }
  void HandOver(size_t call) {
    if (flaw_ == Flaw::kWeakHandOver) {
      Bound<WeakAtomic<SlotValue>>::replay = &replay_;
      Bound<WeakAtomic<SlotValue>>::at = kState + call;
      WeakState().EndTake(/*last=*/true);
    } else {
      State(call).EndTake(/*last=*/true);
    }
  }

  struct BoundSpot : SpotWord {
    static inline Replay* replay = nullptr;
    static inline size_t at = 0;
    static inline bool timed = false;
    explicit BoundSpot(uint32_t) : SpotWord(*replay, at, timed) {}
  };
  BasicParkingSpot<BoundSpot> Spot(size_t call) {
    BoundSpot::replay = &replay_;
    BoundSpot::at = kSpot + call;
    BoundSpot::timed = call == with_deadline_;
    return {};
  }

  struct BoundFlag : testing::Atomic<bool> {
    static inline Replay* replay = nullptr;
    explicit BoundFlag(bool) : Atomic(*replay, kToken) {}
  };
  struct BoundCount : testing::Atomic<int64_t> {
    static inline Replay* replay = nullptr;
    explicit BoundCount(int) : Atomic(*replay, kNeeded) {}
  };
  BasicPumpToken<BoundFlag, BoundCount> Token() {
    BoundFlag::replay = BoundCount::replay = &replay_;
    return BasicPumpToken<BoundFlag, BoundCount>();
  }

  bool TryTake() { return Token().TryTake(); }
  bool TimeIsUp(size_t call) {
    return call == with_deadline_ &&
           replay_.Do([](Memory& memory) { return memory[kTimeIsUp]; }) != 0;
  }

  // PromoteFollower, under the mutex but for the waking, which may be late.
  void PassPump() {
    if (flaw_ == Flaw::kNobodyPassesOn) return;
    const uint64_t front = replay_.Do([](Memory& memory) {
      return memory[kToken] != 0 || memory[kParked] == 0 ? uint64_t{0} : memory[kParked] & 7;
    });
    if (front != 0) Spot(front - 1).Unpark();
  }

  void LeaveToken() {
    if (flaw_ == Flaw::kTokenLeftLate) {
      // Looks before it leaves.
      const bool needed = replay_.Do([](Memory& memory) { return memory[kNeeded]; }) != 0;
      (void)Token().Leave();
      if (needed) PassPump();
    } else if (Token().Leave()) {
      PassPump();
    }
  }

  void Lead(size_t call) {
    while (result_ == kNone && State(call).value() == SlotValue::kOpen) {
      if (TimeIsUp(call)) break;
      // Sleeps until something comes, or its time is up.
      replay_.Wait([timed = call == with_deadline_](const Memory& memory) {
        return memory[kReceived] < memory[kArrived] || (timed && memory[kTimeIsUp] != 0);
      });
      const uint64_t frame = replay_.Do([](Memory& memory) {
        return memory[kReceived] < memory[kArrived] ? ++memory[kReceived] : 0;
      });
      if (frame != 0) Dispatch(call, frames_[frame - 1]);
    }
    LeaveToken();
  }

  // DispatchToSlot, and Fail.
  void Dispatch(size_t self, size_t frame) {
    if (frame == kEnd) {
      for (size_t call = 0; call < kCalls; ++call) {
        if (State(call).Lose()) Spot(call).Unpark();
      }
      return;
    }
    const SlotValue state = State(frame).value();
    if (state == SlotValue::kOpen && frame == self) {
      State(frame).EndOwn();
      result_ = kReply;
      return;
    }
    if (state == SlotValue::kOpen && State(frame).BeginTake()) {
      HandOver(frame);
      Spot(frame).Unpark();
      return;
    }
    (void)State(frame).MeetLeft();
  }

  void Follow(size_t call) {
    bool slept = false;
    while (State(call).pending() && Token().taken() && !TimeIsUp(call)) {
      // SleepAsFollower.
      replay_.Do([call](Memory& memory) {
        uint64_t& list = memory[kParked];
        size_t shift = 0;
        while ((list >> shift) != 0) shift += 3;
        return list |= uint64_t{call + 1} << shift;
      });
      Token().Need();
      Spot(call).Prepare();
      const bool looks = flaw_ != Flaw::kNoSecondLook;
      if (!looks || (Token().taken() && State(call).pending() && !TimeIsUp(call))) {
        Spot(call).Park(Deadline::Infinite());
      }
      Spot(call).Leave();
      replay_.Do([call](Memory& memory) {
        uint64_t list = std::exchange(memory[kParked], 0);
        size_t shift = 0;
        for (; list != 0; list >>= 3) {
          if ((list & 7) == call + 1) continue;
          memory[kParked] |= (list & 7) << shift;
          shift += 3;
        }
        return uint64_t{0};
      });
      Token().NeedNoMore();
      slept = true;
    }
    replay_.Wait([call](const Memory& memory) {
      return memory[kState + call] != static_cast<uint64_t>(SlotValue::kTaken);
    });
    if (slept && !State(call).pending()) PassPump();
  }

  Replay& replay_;
  const std::vector<size_t> frames_;
  const size_t with_deadline_;
  const Flaw flaw_;
  Result result_ = kNone;
};

constexpr size_t kNobody = kCalls;

struct Outcome {
  size_t states = 0;
  size_t ends = 0;
  size_t stuck = 0;
  size_t wrong = 0;
};

// `calls` callers, of whom `with_deadline` has one that passes at some time, while `frames` come.
Outcome Explore(size_t calls, const std::vector<size_t>& frames, size_t with_deadline = kNobody,
                Flaw flaw = Flaw::kNone) {
  std::vector<Interleaver::Thread> threads;
  for (size_t call = 0; call < calls; ++call) {
    threads.emplace_back(
        [=](Replay& replay) { World(replay, frames, with_deadline, flaw).Call(call); });
  }
  threads.emplace_back([=](Replay& replay) { World(replay, frames, with_deadline, flaw).Serve(); });
  if (with_deadline != kNobody) {
    threads.emplace_back(
        [=](Replay& replay) { World(replay, frames, with_deadline, flaw).RunOutOfTime(); });
  }
  Memory memory(kWords, 0);
  for (size_t call = 0; call < calls; ++call) {
    memory[kState + call] = static_cast<uint64_t>(SlotValue::kOpen);
  }
  Outcome outcome;
  const Interleaver interleaver(std::move(threads), memory, [&](const Memory& end, bool ended) {
    for (const size_t frame : frames) {
      // Whoever had a reply has got it, even where another waits for ever.
      if (!ended && frame < calls && end[kResult + frame] == kNone) ++outcome.wrong;
    }
    if (!ended) return;
    bool right = end[kToken] == 0 && end[kNeeded] == 0 && end[kParked] == 0;
    const bool lost = !frames.empty() && frames.back() == kEnd;
    for (size_t call = 0; call < calls; ++call) {
      const uint64_t result = end[kResult + call];
      right = right && (result == kReply || (result == kGaveUp && call == with_deadline) ||
                        (result == kConnectionLost && lost));
      // Nobody is in the midst of anything.
      right = right && end[kState + call] != static_cast<uint64_t>(SlotValue::kTaken) &&
              end[kState + call] != static_cast<uint64_t>(SlotValue::kOpen);
    }
    outcome.wrong += right ? 0 : 1;
  });
  outcome.states = interleaver.states();
  outcome.ends = interleaver.ends();
  outcome.stuck = interleaver.stuck();
  return outcome;
}

void ExpectRight(const Outcome& outcome) {
  EXPECT_GT(outcome.states, 100u);
  EXPECT_GT(outcome.ends, 0u);
  EXPECT_EQ(outcome.stuck, 0u);
  EXPECT_EQ(outcome.wrong, 0u);
}

TEST(SlotTest, EachOfTwoCallersGetsItsReplyInAnyInterleaving) {
  ExpectRight(Explore(2, {0, 1}));
  ExpectRight(Explore(2, {1, 0}));
}

TEST(SlotTest, ACallerThatGivesUpHoldsUpNobody) {
  // Its reply comes before the other's, after it, or never.
  ExpectRight(Explore(2, {0, 1}, /*with_deadline=*/0));
  ExpectRight(Explore(2, {1, 0}, /*with_deadline=*/0));
  ExpectRight(Explore(2, {1}, /*with_deadline=*/0));
}

TEST(SlotTest, ALostConnectionEndsEveryCall) {
  ExpectRight(Explore(2, {kEnd}));
  ExpectRight(Explore(2, {0, kEnd}));
  ExpectRight(Explore(2, {kEnd}, /*with_deadline=*/1));
}

TEST(SlotTest, AReplyWakesItsOwnerWhileAnotherLeadsOn) {
  const Outcome outcome = Explore(2, {1});
  EXPECT_EQ(outcome.ends, 0u) << "the other has no reply";
  EXPECT_GT(outcome.stuck, 0u);
  EXPECT_EQ(outcome.wrong, 0u);
}

TEST(SlotTest, EachWayToDoItWrongIsFoundOut) {
  for (const Flaw flaw : {Flaw::kTokenLeftLate, Flaw::kNoSecondLook, Flaw::kNobodyPassesOn}) {
    const Outcome there = Explore(2, {0, 1}, kNobody, flaw);
    const Outcome back = Explore(2, {1, 0}, kNobody, flaw);
    EXPECT_GT(there.stuck + back.stuck, 0u) << "flaw " << static_cast<int>(flaw);
  }
  EXPECT_GT(Explore(2, {1}, kNobody, Flaw::kWeakHandOver).wrong, 0u);
}

}  // namespace
}  // namespace nigh
