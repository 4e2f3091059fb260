#include "nigh/runtime/call/threads_peer.h"

#include <memory>
#include <thread>
#include <utility>

#include "gtest/gtest.h"
#include "nigh/peer_identity.h"

namespace nigh {
namespace {

using Peer = std::shared_ptr<const PeerIdentity>;

TEST(ThreadsPeerTest, GivesTheReferenceThatItWasGiven) {
  const Peer peer = std::make_shared<const PeerIdentity>();
  Peer first = ThreadsPeer::Take(peer);
  EXPECT_EQ(first, peer);
  EXPECT_EQ(peer.use_count(), 2);
  ThreadsPeer::GiveBack(std::move(first));
  EXPECT_EQ(peer.use_count(), 2) << "the thread has it";
  const Peer second = ThreadsPeer::Take(peer);
  EXPECT_EQ(peer.use_count(), 2) << "and gives it away";
  const Peer third = ThreadsPeer::Take(peer);
  EXPECT_EQ(third, peer);
  EXPECT_EQ(peer.use_count(), 3);
}

TEST(ThreadsPeerTest, KeepsTheOneThatWasCalledLast) {
  const Peer one = std::make_shared<const PeerIdentity>();
  const Peer other = std::make_shared<const PeerIdentity>();
  ThreadsPeer::GiveBack(one);
  EXPECT_EQ(ThreadsPeer::Take(other), other);
  ThreadsPeer::GiveBack(other);
  EXPECT_EQ(one.use_count(), 1);
}

// What a thread destroys at its end may hold a context of a call.
TEST(ThreadsPeerTest, KeepsNothingForAThreadThatEnds) {
  struct GivesBackAtTheEnd {
    ~GivesBackAtTheEnd() { ThreadsPeer::GiveBack(std::move(peer)); }
    Peer peer;
  };
  const Peer peer = std::make_shared<const PeerIdentity>();
  std::thread([&] {
    // Made before the thread's reference, so destroyed after it.
    thread_local GivesBackAtTheEnd last;
    last.peer = peer;
    ThreadsPeer::GiveBack(peer);
  }).join();
  EXPECT_EQ(peer.use_count(), 1);
}

}  // namespace
}  // namespace nigh
