#ifndef NIGH_TESTS_CONTRACT_CONTRACT_H_
#define NIGH_TESTS_CONTRACT_CONTRACT_H_

#include <cstdint>
#include <memory>

#include "gtest/gtest.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "tests/contract/frames.h"
#include "tests/contract/puppet.h"
#include "tests/contract/subject.h"

namespace nigh::testing {

struct Peering {
  Placement peer;
  bool peer_listens;
};

// Clauses that need no peer other than the test itself.
class TransportContract : public ::testing::Test {
 protected:
  const Transport& transport() const { return TheSubject().transport; }
};

// Clauses about a peer, which is in a thread or in a process, and listens or dials. Nothing is
// connected yet.
class PeerContract : public TransportContract, public ::testing::WithParamInterface<Peering> {
 protected:
  // Starts `puppet` where the parameter says, and connects the two; either may listen.
  void Connect(std::unique_ptr<Puppet>& puppet, std::unique_ptr<Connection>& mine);
};

// Clauses about one connection between the test and a puppet.
class ConnectionContract : public PeerContract {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(Connect(puppet_, mine_)); }

  // Sends and flushes frames of `size` bytes until there is no room. Their calls are 0, 1 and so
  // on. Returns how many there are.
  uint32_t Fill(size_t size);

  // In this order: a puppet ends when its connection does, so the connection is destroyed first.
  std::unique_ptr<Puppet> puppet_;
  std::unique_ptr<Connection> mine_;
};

// Clauses about a peer that is killed. Only a process can be.
class KilledPeerContract : public ConnectionContract {};

// Clauses about a peer that is not nigh, on media that other programs can reach. The parameter says
// how (Subject::stranger).
class StrangerContract : public TransportContract,
                         public ::testing::WithParamInterface<const char*> {};

// Returns how many rounds a test makes: `usual`, or fewer on a slow medium.
int Rounds(int usual);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONTRACT_CONTRACT_H_
