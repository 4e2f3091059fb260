#include "tests/contract/contract.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "tests/contract/frames.h"
#include "tests/contract/puppet.h"
#include "tests/contract/subject.h"

namespace nigh::testing {

namespace {

std::vector<Peering> ProcessPeerings() {
  if (!TheSubject().processes) return {};
  return {{Placement::kProcess, false}, {Placement::kProcess, true}};
}

std::vector<Peering> Peerings() {
  std::vector<Peering> peerings = ProcessPeerings();
  peerings.push_back({Placement::kThread, false});
  peerings.push_back({Placement::kThread, true});
  return peerings;
}

std::vector<const char*> Strangers() {
  if (*TheSubject().stranger == '\0') return {};
  return {TheSubject().stranger};
}

// "PeerIsAProcessAndListens" and so on.
std::string PeeringName(const ::testing::TestParamInfo<Peering>& info) {
  return absl::StrCat("PeerIsA", info.param.peer == Placement::kThread ? "Thread" : "Process",
                      "And", info.param.peer_listens ? "Listens" : "Dials");
}

}  // namespace

void PeerContract::Connect(std::unique_ptr<Puppet>& puppet, std::unique_ptr<Connection>& mine) {
  puppet = Puppet::Start(GetParam().peer);
  absl::StatusOr<std::unique_ptr<Connection>> connection;
  if (GetParam().peer_listens) {
    const std::string answer = puppet->Ask(absl::StrCat("listen ", FreshAddress().ToString()));
    absl::string_view address = answer;
    ASSERT_TRUE(absl::ConsumePrefix(&address, "ok ")) << answer;
    connection = transport().dial(MakeAddress(address));
    ASSERT_TRUE(connection.ok()) << connection.status();
    ASSERT_EQ(puppet->Ask("accept"), "ok");
  } else {
    absl::StatusOr<std::unique_ptr<Listener>> listener = transport().listen(FreshAddress());
    ASSERT_TRUE(listener.ok()) << listener.status();
    ASSERT_EQ(puppet->Ask(absl::StrCat("dial ", (*listener)->address().ToString())), "ok");
    connection = Accept(**listener);
    ASSERT_TRUE(connection.ok()) << connection.status();
  }
  mine = *std::move(connection);
}

uint32_t ConnectionContract::Fill(size_t size) {
  constexpr uint64_t kFarTooMuch = uint64_t{1} << 30;
  for (uint32_t call = 0;; ++call) {
    const std::string payload = Pattern(call, size);
    if (!TryQueue(*mine_, MessageHeader(call), payload)) {
      EXPECT_TRUE(TryFlush(*mine_).ok());
      if (!TryQueue(*mine_, MessageHeader(call), payload)) return call;
    }
    if (uint64_t{call} * size > kFarTooMuch) {
      ADD_FAILURE() << "there is always room: where are the frames kept?";
      return call;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, PeerContract, ::testing::ValuesIn(Peerings()), PeeringName);
INSTANTIATE_TEST_SUITE_P(, ConnectionContract, ::testing::ValuesIn(Peerings()), PeeringName);
// A medium inside one process has no such peers, and perhaps no strangers.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KilledPeerContract);
INSTANTIATE_TEST_SUITE_P(, KilledPeerContract, ::testing::ValuesIn(ProcessPeerings()), PeeringName);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StrangerContract);
INSTANTIATE_TEST_SUITE_P(, StrangerContract, ::testing::ValuesIn(Strangers()),
                         [](const auto&) { return "Speaks"; });

int Rounds(int usual) { return TheSubject().slow ? std::max(1, usual / 20) : usual; }

}  // namespace nigh::testing
