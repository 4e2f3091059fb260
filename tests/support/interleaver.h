#ifndef NIGH_TESTS_SUPPORT_INTERLEAVER_H_
#define NIGH_TESTS_SUPPORT_INTERLEAVER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace nigh::testing {

// Takes threads through all orders of their steps, on a machine with store buffers.
//
// The machine is x86-TSO: a store that is not sequentially consistent goes into its thread's store
// buffer and reaches memory at some later step; a load sees the own buffer first; everything else
// waits until the own buffer is empty. The code of a thread is real code, over an Atomic of this
// file. To stop it between two steps it is run from its beginning each time, with the results of
// the steps that it has made already, and left by an exception at the first one that it has not. So
// it must depend on nothing but those results.
using Memory = std::vector<uint64_t>;

struct Step {
  enum What { kLoad, kStore, kAtomic } what = kAtomic;
  size_t at = 0;
  uint64_t value = 0;
  // Of kAtomic: changes memory and returns the step's result. It can be made once `enabled`.
  std::function<uint64_t(Memory&)> effect = nullptr;
  std::function<bool(const Memory&)> enabled = nullptr;
};

// Runs a thread's code up to the step after its past.
class Replay {
 public:
  explicit Replay(const std::vector<uint64_t>& past) : past_(past) {}

  // The result of `step` if it has been made; otherwise leaves the thread here.
  uint64_t Make(const Step& step) {
    if (made_ == past_.size()) throw step;
    return past_[made_++];
  }
  // One step that no other thread's step can come into.
  uint64_t Do(std::function<uint64_t(Memory&)> effect) {
    return Make({.effect = std::move(effect), .enabled = nullptr});
  }
  // Waits until `enabled`.
  void Wait(std::function<bool(const Memory&)> enabled) {
    Make({.effect = [](Memory&) { return uint64_t{0}; }, .enabled = std::move(enabled)});
  }

 private:
  const std::vector<uint64_t>& past_;
  size_t made_ = 0;
};

// In place of std::atomic<T>: the word `at` of the memory. It has the value that the memory begins
// with.
template <class T>
class Atomic {
 public:
  Atomic(Replay& replay, size_t at) : replay_(&replay), at_(at) {}

  T load(std::memory_order) const {
    return static_cast<T>(replay_->Make({.what = Step::kLoad, .at = at_}));
  }
  void store(T value, std::memory_order order) {
    const auto bits = static_cast<uint64_t>(value);
    if (order == std::memory_order_seq_cst) {
      replay_->Do([at = at_, bits](Memory& memory) { return memory[at] = bits; });
    } else {
      replay_->Make({.what = Step::kStore, .at = at_, .value = bits});
    }
  }
  T exchange(T value, std::memory_order) {
    const auto bits = static_cast<uint64_t>(value);
    return static_cast<T>(
        replay_->Do([at = at_, bits](Memory& memory) { return std::exchange(memory[at], bits); }));
  }
  bool compare_exchange_strong(T& expected, T value, std::memory_order) {
    const auto from = static_cast<uint64_t>(expected);
    const auto to = static_cast<uint64_t>(value);
    const auto was = static_cast<T>(replay_->Do([=, at = at_](Memory& memory) {
      const uint64_t old = memory[at];
      if (old == from) memory[at] = to;
      return old;
    }));
    const bool made = was == expected;
    expected = was;
    return made;
  }
  void fetch_add(T change, std::memory_order) {
    replay_->Do(
        [=, at = at_](Memory& memory) { return memory[at] += static_cast<uint64_t>(change); });
  }
  void fetch_sub(T change, std::memory_order order) { fetch_add(-change, order); }

 protected:
  Replay* replay_;
  size_t at_;
};

class Interleaver {
 public:
  using Thread = std::function<void(Replay&)>;

  // Explores everything that `threads` may do to `memory`. `check` is called at each end, with what
  // the memory then holds and whether all threads have ended; the others wait for ever.
  Interleaver(std::vector<Thread> threads, Memory memory,
              std::function<void(const Memory&, bool)> check)
      : threads_(std::move(threads)), check_(std::move(check)) {
    State state{.memory = std::move(memory),
                .past = std::vector<std::vector<uint64_t>>(threads_.size()),
                .buffer = std::vector<Buffer>(threads_.size())};
    std::vector<State> open;
    open.push_back(std::move(state));
    while (!open.empty()) {
      State next = std::move(open.back());
      open.pop_back();
      if (seen_.insert(next.Key()).second) Expand(next, open);
    }
  }

  size_t states() const { return seen_.size(); }
  size_t ends() const { return ends_; }    // in which all threads have ended
  size_t stuck() const { return stuck_; }  // in which some wait for ever

 private:
  using Buffer = std::deque<std::pair<size_t, uint64_t>>;

  struct State {
    Memory memory;
    std::vector<std::vector<uint64_t>> past;
    std::vector<Buffer> buffer;

    std::string Key() const {
      std::string key;
      for (const uint64_t word : memory) absl::StrAppend(&key, word, ",");
      for (size_t i = 0; i < past.size(); ++i) {
        absl::StrAppend(&key, "|");
        for (const uint64_t result : past[i]) absl::StrAppend(&key, result, ",");
        for (const auto& [at, value] : buffer[i]) absl::StrAppend(&key, "/", at, "=", value);
      }
      return key;
    }
  };

  // The thread's next step. False: it has ended.
  bool Next(const State& state, size_t thread, Step& next) const {
    Replay replay(state.past[thread]);
    try {
      threads_[thread](replay);
    } catch (const Step& step) {
      next = step;
      return true;
    }
    return false;
  }

  void Expand(const State& state, std::vector<State>& open) {
    bool moved = false;
    bool ended = true;
    for (size_t thread = 0; thread < threads_.size(); ++thread) {
      if (!state.buffer[thread].empty()) {
        State next = state;
        const auto [at, value] = next.buffer[thread].front();
        next.buffer[thread].pop_front();
        next.memory[at] = value;
        open.push_back(std::move(next));
        moved = true;
      }
      Step step;
      if (!Next(state, thread, step)) continue;
      ended = false;
      State next = state;
      if (!Make(step, thread, next)) continue;
      open.push_back(std::move(next));
      moved = true;
    }
    if (moved) return;
    ++(ended ? ends_ : stuck_);
    check_(state.memory, ended);
  }

  // False: the step cannot be made now.
  static bool Make(const Step& step, size_t thread, State& state) {
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
      case Step::kAtomic:
        if (!state.buffer[thread].empty()) return false;
        if (step.enabled && !step.enabled(state.memory)) return false;
        result = step.effect(state.memory);
        break;
    }
    state.past[thread].push_back(result);
    return true;
  }

  const std::vector<Thread> threads_;
  const std::function<void(const Memory&, bool)> check_;
  std::unordered_set<std::string> seen_;
  size_t ends_ = 0;
  size_t stuck_ = 0;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SUPPORT_INTERLEAVER_H_
