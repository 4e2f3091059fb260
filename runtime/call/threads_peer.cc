#include "nigh/runtime/call/threads_peer.h"

#include <memory>
#include <utility>

#include "nigh/peer_identity.h"

namespace nigh {
namespace {

// Outlives what the thread destroys at its end, contexts among it.
thread_local bool ends = false;

struct Kept {
  ~Kept() { ends = true; }
  std::shared_ptr<const PeerIdentity> peer;
};
thread_local Kept kept;

}  // namespace

std::shared_ptr<const PeerIdentity> ThreadsPeer::Take(
    const std::shared_ptr<const PeerIdentity>& peer) {
  if (!ends && kept.peer == peer) return std::move(kept.peer);
  return peer;
}

void ThreadsPeer::GiveBack(std::shared_ptr<const PeerIdentity> peer) {
  if (!ends) kept.peer.swap(peer);
}

}  // namespace nigh
