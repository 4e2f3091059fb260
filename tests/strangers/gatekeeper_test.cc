// What a server hears of clients that it does not admit: few words, however many come.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/server/gatekeeper.h"
#include "nigh/testing/virtual_clock.h"
#include "nigh/transport/address.h"
#include "nigh/transport/transport.h"

namespace nigh {
namespace {

using ::testing::HasSubstr;

const Address kAddress = {.scheme = "unix", .name = "/run/x", .parameters = {}};

PeerIdentity User(uid_t uid) { return {.address = "unix:/run/x", .uid = uid}; }

TEST(GatekeeperTest, OneReportASecondTellsOfAll) {
  testing::VirtualClock clock;
  std::vector<std::string> reports;
  Gatekeeper gatekeeper(
      {.decide = [](const PeerIdentity&) { return false; }},
      [&](const absl::Status& status) { reports.emplace_back(status.message()); });
  const Gate gate = gatekeeper.GateOf(kAddress, Reach::kUsers);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(absl::IsPermissionDenied(gate(User(1))));
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_THAT(reports[0], HasSubstr("unix:/run/x: accept: user 1, may not connect"));
  clock.Advance(absl::Seconds(1));
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(absl::IsPermissionDenied(gate(User(2))));
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_THAT(reports[1], HasSubstr("user 2, and 999 others before it"));
}

TEST(GatekeeperTest, WhoHasNoNumberHereIsNobodysFriend) {
  Gatekeeper gatekeeper({.users = {"65534"}}, [](const absl::Status&) {});
  const Gate gate = gatekeeper.GateOf(kAddress, Reach::kUsers);
  EXPECT_TRUE(gate(User(65534)).ok());
  const absl::Status refusal = gate({.address = "unix:/run/x"});
  EXPECT_EQ(refusal.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(refusal.message()), HasSubstr("a user whom the system does not name"));
}

TEST(GatekeeperTest, WhoHasBeenInvitedIsNotAsked) {
  Gatekeeper gatekeeper({.users = {"1"}}, [](const absl::Status&) {});
  EXPECT_TRUE(gatekeeper.Check(kAddress, Reach::kInvited).ok());
  EXPECT_TRUE(gatekeeper.GateOf(kAddress, Reach::kInvited)({.address = "pipe:3,4"}).ok());
}

}  // namespace
}  // namespace nigh
