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

// Clauses that need no peer but the test itself.
class TransportContract : public ::testing::Test {
 protected:
  const Transport& transport() const { return TheSubject().transport; }
};

// Clauses about a peer: in a thread or in a process, listening or dialling. Nothing is connected
// yet.
class PeerContract : public TransportContract, public ::testing::WithParamInterface<Peering> {
 protected:
  // Starts `puppet` where the parameter wants it and connects it, whoever listens.
  void Connect(std::unique_ptr<Puppet>& puppet, std::unique_ptr<Connection>& mine);
};

// Clauses about one connection between the test and a puppet.
class ConnectionContract : public PeerContract {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(Connect(puppet_, mine_)); }

  // Sends and flushes until there is no room; returns how many frames, calls 0 and on, of
  // `size` bytes.
  uint32_t Fill(size_t size);

  // In this order: a puppet ends when its connection does.
  std::unique_ptr<Puppet> puppet_;
  std::unique_ptr<Connection> mine_;
};

// Clauses about a peer that is killed, which only a process can be.
class KilledPeerContract : public ConnectionContract {};

// Clauses about a program that is not nigh, where one can reach the medium. The parameter is how
// (Subject::stranger).
class StrangerContract : public TransportContract,
                         public ::testing::WithParamInterface<const char*> {};

// A count of rounds that a slow medium gets through as well.
int Rounds(int usual);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONTRACT_CONTRACT_H_
