#include "nigh/runtime/loop/time_shares.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/container/node_hash_map.h"

namespace nigh {

TimeShares::Share& TimeShares::Join(const User& user) {
  Share& share = shares_[user];
  ++share.sources_;
  return share;
}

void TimeShares::Charge(Share& share, int64_t now, bool worked) {
  share.used_ += now - charged_;
  charged_ = now;
  const bool spent = share.spent();
  if (worked || spent) worked_ = now;
  const bool works = !spent && (share.worked_ || worked);
  workers_ += int{works} - int{std::exchange(share.worked_, works)};
  if (spent) rests_until_ = now + kLongestRest;
  Decide();
}

void TimeShares::NextRound() {
  bool somebody_rests = false;
  // Kept for who has left, too: nobody gets a new share by connecting anew.
  absl::erase_if(shares_, [&](auto& entry) {
    Share& share = entry.second;
    share.worked_ = false;
    share.used_ = std::max(share.used_ - kShare, int64_t{0});
    somebody_rests |= share.spent();
    return share.sources_ == 0 && share.used_ == 0;
  });
  workers_ = 0;
  rests_until_ = somebody_rests ? charged_ + kLongestRest : 0;
  Decide();
}

}  // namespace nigh
