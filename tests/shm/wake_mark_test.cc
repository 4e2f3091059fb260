// Every interleaving of the wake-up rule, on a machine with store buffers.
//
// Two threads, one that works and one that waits, are taken through all orders of their steps. The
// machine is x86-TSO: a store that is not sequentially consistent goes into its thread's store
// buffer and reaches memory at some later step; a load sees the own buffer first. A thread's code
// is the real code, over a Word that counts as memory. To stop it between two steps it is run from
// its beginning each time, with the results of the steps that it has made already, and left by an
// exception at the first one that it has not.

#include "nigh/transports/shm/wake_mark.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace nigh {
namespace {

constexpr uint64_t kMoves = 3;

enum Location { kPosition, kMark, kLocations };

struct Step {
  enum What { kLoad, kStore, kOrderedStore, kRing, kSleep } what;
  Location at = kPosition;
  uint64_t value = 0;
};

// What a thread has come to: the results of the steps that it has made.
using Past = std::vector<uint64_t>;

// Runs a thread's code up to the step after its past.
class Replay {
 public:
  explicit Replay(const Past& past) : past_(past) {}

  // The result of `step` if it has been made; otherwise leaves the thread here.
  uint64_t Make(const Step& step) {
    if (made_ == past_.size()) throw step;
    return past_[made_++];
  }

 private:
  const Past& past_;
  size_t made_ = 0;
};

// In place of std::atomic<uint64_t>.
class Word {
 public:
  Word(Replay& replay, Location at, bool weak) : replay_(replay), at_(at), weak_(weak) {}

  void store(uint64_t value, std::memory_order order) {
    const bool ordered = order == std::memory_order_seq_cst && !weak_;
    replay_.Make({ordered ? Step::kOrderedStore : Step::kStore, at_, value});
  }
  uint64_t load(std::memory_order) const { return replay_.Make({Step::kLoad, at_}); }

 private:
  Replay& replay_;
  const Location at_;
  const bool weak_;
};

// Which of the two stores has been made weaker than it has to be.
struct Weakness {
  bool position = false;
  bool mark = false;
};

void Work(Replay& replay, Weakness weakness) {
  Word position(replay, kPosition, weakness.position);
  const Word mark(replay, kMark, false);
  for (uint64_t at = 0; at < kMoves; ++at) {
    if (MovePast(position, mark, at, at + 1)) replay.Make({Step::kRing});
  }
}

void Wait(Replay& replay, Weakness weakness) {
  const Word position(replay, kPosition, false);
  Word mark(replay, kMark, weakness.mark);
  for (uint64_t at = 0; at < kMoves;) {
    const uint64_t seen = position.load(std::memory_order_acquire);
    if (seen == at && MarkAndLook(mark, position, at) == at) replay.Make({Step::kSleep});
    at = seen;
  }
}

struct State {
  std::vector<uint64_t> memory = {0, kNoMark};
  Past past[2];
  std::deque<std::pair<Location, uint64_t>> buffer[2];
  uint64_t bell = 0;
  int rings = 0;
  int sleeps = 0;

  std::string Key() const {
    std::string key = absl::StrCat(memory[0], ",", memory[1], ",", bell);
    for (int thread : {0, 1}) {
      absl::StrAppend(&key, "|");
      for (const uint64_t result : past[thread]) absl::StrAppend(&key, result, ",");
      absl::StrAppend(&key, "/");
      for (const auto& [at, value] : buffer[thread]) absl::StrAppend(&key, at, "=", value, ",");
    }
    return key;
  }
};

class Explorer {
 public:
  explicit Explorer(Weakness weakness) : weakness_(weakness) { Explore(State()); }

  size_t states() const { return seen_.size(); }
  int lost() const { return lost_; }      // ends in which one sleeps for ever
  int wasted() const { return wasted_; }  // ends with more rings than sleeps
  int ends() const { return ends_; }

 private:
  // The thread's next step; nothing when it has ended.
  bool Next(const State& state, int thread, Step& next) const {
    Replay replay(state.past[thread]);
    try {
      thread == 0 ? Work(replay, weakness_) : Wait(replay, weakness_);
    } catch (const Step& step) {
      next = step;
      return true;
    }
    return false;
  }

  // NOLINTNEXTLINE(misc-no-recursion): as deep as the threads are long
  void Explore(const State& state) {
    if (!seen_.insert(state.Key()).second) return;
    bool stuck = true;
    bool ended = true;
    for (int thread : {0, 1}) {
      if (!state.buffer[thread].empty()) {
        stuck = ended = false;
        State next = state;
        const auto [at, value] = next.buffer[thread].front();
        next.buffer[thread].pop_front();
        next.memory[at] = value;
        Explore(next);
      }
      Step step;
      if (!Next(state, thread, step)) continue;
      ended = false;
      State next = state;
      if (!Make(step, thread, next)) continue;
      stuck = false;
      Explore(next);
    }
    if (ended) ++ends_;
    if (ended && state.rings > state.sleeps) ++wasted_;
    if (!ended && stuck) ++lost_;
  }

  // False: it cannot be made now.
  static bool Make(const Step& step, int thread, State& state) {
    uint64_t result = 0;
    switch (step.what) {
      case Step::kLoad:
        result = state.memory[step.at];
        for (const auto& [at, value] : state.buffer[thread]) {
          if (at == step.at) result = value;
        }
        break;
      case Step::kStore:
        state.buffer[thread].emplace_back(step.at, step.value);
        break;
      case Step::kOrderedStore:
        // A locked instruction: waits until the buffer is empty.
        if (!state.buffer[thread].empty()) return false;
        state.memory[step.at] = step.value;
        break;
      case Step::kRing:
        ++state.bell;
        ++state.rings;
        break;
      case Step::kSleep:
        if (state.bell == 0) return false;
        state.bell = 0;
        ++state.sleeps;
        break;
    }
    state.past[thread].push_back(result);
    return true;
  }

  const Weakness weakness_;
  std::set<std::string> seen_;
  int lost_ = 0;
  int wasted_ = 0;
  int ends_ = 0;
};

TEST(WakeMarkTest, NoWakeUpIsLostInAnyInterleaving) {
  const Explorer explorer({});
  RecordProperty("states", static_cast<int>(explorer.states()));
  EXPECT_GT(explorer.states(), 200u);
  EXPECT_GT(explorer.ends(), 0);
  EXPECT_EQ(explorer.lost(), 0);
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
  EXPECT_GT(Explorer({.position = true}).lost(), 0);
}

TEST(WakeMarkTest, AWeakerMarkLosesAWakeUp) { EXPECT_GT(Explorer({.mark = true}).lost(), 0); }

}  // namespace
}  // namespace nigh
