#ifndef NIGH_RUNTIME_CALL_THREADS_PEER_H_
#define NIGH_RUNTIME_CALL_THREADS_PEER_H_

#include <memory>

#include "nigh/peer_identity.h"

namespace nigh {

// The identity of the peer that a thread has called last. A call takes the thread's reference along
// in its context, which gives it back. Whoever calls one server again and again thus counts no
// references; counting them would take two locked instructions a call, on a word that all threads
// share.
class ThreadsPeer {
 public:
  // Returns a reference to `peer`: the thread's, if it has it.
  static std::shared_ptr<const PeerIdentity> Take(const std::shared_ptr<const PeerIdentity>& peer);
  // Keeps a reference for the thread's next call, unless the thread is about to end.
  static void GiveBack(std::shared_ptr<const PeerIdentity> peer);
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_THREADS_PEER_H_
