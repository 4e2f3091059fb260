// Every interleaving of the wake-up rule, on a machine with store buffers: two threads, one that
// works and one that waits.

#include "nigh/transports/shm/wake_mark.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/interleaver.h"

namespace nigh {
namespace {

using testing::Interleaver;
using testing::Memory;
using testing::Replay;

constexpr uint64_t kMoves = 3;

// Where what lies in memory.
enum Place : size_t { kPosition, kMark, kBell, kPlaces };

// Which of the two stores has been made weaker than it has to be.
struct Weakness {
  bool position = false;
  bool mark = false;
};

class Word : public testing::Atomic<uint64_t> {
 public:
  Word(Replay& replay, Place at, bool weak) : Atomic(replay, at), weak_(weak) {}
  void store(uint64_t value, std::memory_order order) {
    Atomic::store(value, weak_ ? std::memory_order_release : order);
  }

 private:
  const bool weak_;
};

void Work(Replay& replay, Weakness weakness) {
  Word position(replay, kPosition, weakness.position);
  const Word mark(replay, kMark, false);
  for (uint64_t at = 0; at < kMoves; ++at) {
    if (!MovePast(position, mark, at, at + 1)) continue;
    // Rings the bell.
    replay.Do([](Memory& memory) { return ++memory[kBell]; });
  }
}

void Wait(Replay& replay, Weakness weakness) {
  const Word position(replay, kPosition, false);
  Word mark(replay, kMark, weakness.mark);
  for (uint64_t at = 0; at < kMoves;) {
    const uint64_t seen = position.load(std::memory_order_acquire);
    if (seen == at && MarkAndLook(mark, position, at) == at) {
      // Sleeps until the bell rings.
      replay.Make({.effect = [](Memory& memory) { return std::exchange(memory[kBell], 0); },
                   .enabled = [](const Memory& memory) { return memory[kBell] != 0; }});
    }
    at = seen;
  }
}

Interleaver Explore(Weakness weakness) {
  Memory memory(kPlaces, 0);
  memory[kMark] = kNoMark;
  return Interleaver({[=](Replay& replay) { Work(replay, weakness); },
                      [=](Replay& replay) { Wait(replay, weakness); }},
                     memory, [](const Memory&, bool) {});
}

TEST(WakeMarkTest, NoWakeUpIsLostInAnyInterleaving) {
  const Interleaver interleaver = Explore({});
  EXPECT_GT(interleaver.states(), 200u);
  EXPECT_GT(interleaver.ends(), 0u);
  EXPECT_EQ(interleaver.stuck(), 0u) << "one sleeps for ever";
}

// A ring may come for a sleep that was not slept after all, because the waiter saw for itself; then
// the next sleep ends early. More rings than marks there cannot be.
TEST(WakeMarkTest, AMarkIsPassedOnce) {
  std::atomic<uint64_t> position = 0;
  std::atomic<uint64_t> mark = kNoMark;
  EXPECT_FALSE(MovePast(position, mark, 0, 64)) << "nobody sleeps";
  EXPECT_EQ(MarkAndLook(mark, position, 64), 64u);
  EXPECT_TRUE(MovePast(position, mark, 64, 128));
  EXPECT_FALSE(MovePast(position, mark, 128, 192));
  EXPECT_EQ(position.load(), 192u);
  EXPECT_EQ(MarkAndLook(mark, position, 128), 192u) << "no sleep: it has moved already";
}

TEST(WakeMarkTest, OneWhoMovesFarPassesEveryMarkBetween) {
  std::atomic<uint64_t> position = 0;
  std::atomic<uint64_t> mark = 639;
  EXPECT_FALSE(MovePast(position, mark, 0, 639));
  EXPECT_TRUE(MovePast(position, mark, 639, 100'000));
}

TEST(WakeMarkTest, AWeakerPositionLosesAWakeUp) {
  EXPECT_GT(Explore({.position = true}).stuck(), 0u);
}

TEST(WakeMarkTest, AWeakerMarkLosesAWakeUp) { EXPECT_GT(Explore({.mark = true}).stuck(), 0u); }

}  // namespace
}  // namespace nigh
