#ifndef NIGH_TRANSPORTS_SHM_BELL_H_
#define NIGH_TRANSPORTS_SHM_BELL_H_

#include "nigh/base/unique_fd.h"

namespace nigh {

// How one side wakes the other, once it knows that the other sleeps.
//
// Between processes of one user it is an eventfd, which the sleeper polls and which is rung with
// one write(2). But whoever shares an eventfd can make writing to it block, so towards another
// user, or where the peer's descriptor is no eventfd, it is a letter in the socket instead: a
// message of one byte that says which bell is meant, sent without ever waiting. The side that finds
// the letter rings its own bell, if it is another of its threads that sleeps on it.
enum class BellLetter : char { kData = 'd', kRoom = 'r' };

// This side's, to be polled edge-triggered. Rung by the peer, or by this side for itself.
UniqueFd MakeBell();
void RingOwn(const UniqueFd& bell);

// The peer's.
class PeerBell {
 public:
  PeerBell() = default;
  // Takes `eventfd` over if it is one; letters go to `socket`, which outlives this.
  PeerBell(UniqueFd eventfd, int socket, BellLetter letter);

  // Any thread. A full socket holds letters enough to wake the peer; a peer that is gone needs
  // none.
  void Ring() const;

 private:
  UniqueFd eventfd_;
  int socket_ = -1;
  BellLetter letter_ = BellLetter::kData;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_BELL_H_
