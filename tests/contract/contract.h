#ifndef NIGH_TESTS_CONTRACT_CONTRACT_H_
#define NIGH_TESTS_CONTRACT_CONTRACT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
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

// "PeerIsAProcessAndListens" and so on.
std::string PeeringName(const ::testing::TestParamInfo<Peering>& info);
// What the subject can do.
std::vector<Peering> Peerings();

// The subject, with nothing connected yet.
class TransportContract : public ::testing::TestWithParam<Peering> {
 protected:
  // Starts `puppet` where the parameter wants it and connects it, whoever listens.
  void Connect(std::unique_ptr<Puppet>& puppet, std::unique_ptr<Connection>& mine);

  const Transport& transport() const { return TheSubject().transport; }
  bool peer_is_process() const { return GetParam().peer == Placement::kProcess; }
};

// One connection between this test and a puppet.
class ConnectionContract : public TransportContract {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(Connect(puppet_, mine_)); }

  // Sends and flushes until there is no room; returns how many frames, calls 0 and on, of
  // `size` bytes.
  uint32_t Fill(size_t size);

  // In this order: a puppet ends when its connection does.
  std::unique_ptr<Puppet> puppet_;
  std::unique_ptr<Connection> mine_;
};

// A count of rounds that a slow medium gets through as well.
int Rounds(int usual);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONTRACT_CONTRACT_H_
