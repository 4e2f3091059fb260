#ifndef NIGH_RUNTIME_CLIENT_PUMP_TOKEN_H_
#define NIGH_RUNTIME_CLIENT_PUMP_TOKEN_H_

#include <atomic>

namespace nigh {

// Who receives on a connection: whoever has the token. (Leader/followers: Schmidt et al.,
// "Leader/Followers", 2000.) A thread that leaves it finds out whether it is needed: whether
// somebody sleeps who would lead, or something else must not be left alone.
//
//   leaver: taken_ = false, then reads needed_        sleeper: ++needed_, then reads taken_
//
// All four are sequentially consistent. So either the leaver passes the token on, or the sleeper
// sees that it is free and does not sleep.
//
// `Flag` and `Count` are atomic; a test takes them through every interleaving with its own.
template <class Flag, class Count>
class BasicPumpToken {
 public:
  bool taken() const { return taken_.load(std::memory_order_seq_cst); }
  bool TryTake() { return !taken() && !taken_.exchange(true, std::memory_order_seq_cst); }
  // True: it is needed, and to be passed on.
  bool Leave() {
    taken_.store(false, std::memory_order_seq_cst);
    return needed();
  }

  // There is one more, or one less, by whom the token is needed.
  void Need() { needed_.fetch_add(1, std::memory_order_seq_cst); }
  void NeedNoMore() { needed_.fetch_sub(1, std::memory_order_seq_cst); }
  bool needed() const { return needed_.load(std::memory_order_seq_cst) != 0; }

 private:
  Flag taken_{false};
  Count needed_{0};
};

using PumpToken = BasicPumpToken<std::atomic<bool>, std::atomic<int>>;

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_PUMP_TOKEN_H_
