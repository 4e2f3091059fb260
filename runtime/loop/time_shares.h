#ifndef NIGH_RUNTIME_LOOP_TIME_SHARES_H_
#define NIGH_RUNTIME_LOOP_TIME_SHARES_H_

#include <sys/types.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/container/node_hash_map.h"

namespace nigh {

// Divides a poller's time among the users whose work it does, in rounds. A user whose sources have
// used up their share rests until the next round, while others have work or may soon have some: who
// floods the poller from one source or a thousand gets no more of it than who makes one call after
// the other. Whose last turn took longer pays for that in the rounds that follow.
//
//   ann    a call   a call   a call ... a call   a call |  a call   a call
//   bob    turn  turn  turn  (spent, rests ...........) |  turn  turn  turn
//                                               next round
//
// Rests come in one piece on purpose. With a turn of somebody else's between any two calls of hers,
// each of ann's calls would be slower; so only those few are that fall into bob's time.
//
// For the thread that has the poller's role.
class TimeShares {
 public:
  // Nobody in particular, or somebody whom the system does not name: these share one share.
  using User = std::optional<uid_t>;

  // Of one round, in nanoseconds.
  static constexpr int64_t kShare = 250'000;
  // A user rests this long at most while another has used up less than its share.
  static constexpr int64_t kLongestRest = 1'000'000;
  // Nobody rests for the sake of others who have had no work for so long of that: whoever calls
  // again and again has called by then, even if it had to be woken.
  static constexpr int64_t kPatience = 100'000;

  class Share {
   public:
    // Whether it is used up: its user has no more turns in this round.
    bool spent() const { return used_ >= kShare; }

   private:
    friend class TimeShares;
    int sources_ = 0;
    int hot_ = 0;          // of these
    int64_t used_ = 0;     // nanoseconds
    bool worked_ = false;  // in this round, and is counted in workers_
  };

  // A source of `user` comes, and goes. The share is there for as long, and until the next round.
  Share& Join(const User& user);
  static void Leave(Share& share) { --share.sources_; }
  // The source becomes hot, or is not hot any more.
  void Heat(Share& share) {
    competing_ += share.hot_++ == 0 ? 1 : 0;
    Decide();
  }
  void Cool(Share& share) {
    competing_ -= --share.hot_ == 0 ? 1 : 0;
    Decide();
  }

  // Whether several users have hot sources, or somebody rests. Else nothing is to be divided, and
  // no clock is read.
  bool divides() const { return divides_; }
  // What is charged next begins now; steady nanoseconds, as below.
  void Begin(int64_t now) { charged_ = now; }
  // Charges `share` for the time since it was begun, or since the last charge. `worked`: there was
  // work.
  void Charge(Share& share, int64_t now, bool worked);
  // Whether those who rest have rested for long enough.
  bool RoundIsOver(int64_t now) const { return rests_until_ != 0 && now >= rests_until_; }
  // For how many nanoseconds more others' work is to be waited for, where there is none just now;
  // 0 or less: those who rest may go on.
  int64_t Patience(int64_t now) const {
    return workers_ == 0 ? 0 : std::min(worked_ + kPatience, rests_until_) - now;
  }
  void NextRound();

 private:
  void Decide() { divides_ = competing_ > 1 || rests_until_ != 0; }

  absl::node_hash_map<User, Share> shares_;
  bool divides_ = false;
  int competing_ = 0;        // users with hot sources
  int64_t charged_ = 0;      // when the last charge was made
  int workers_ = 0;          // users who have worked in this round and have not used up their share
  int64_t worked_ = 0;       // when one of them did so last, or somebody's rest began
  int64_t rests_until_ = 0;  // 0: nobody rests
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_TIME_SHARES_H_
