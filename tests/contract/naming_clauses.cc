// C13 to C15: what is left behind, and who is found at an address.

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "tests/contract/contract.h"
#include "tests/contract/frames.h"
#include "tests/contract/puppet.h"
#include "tests/contract/subject.h"
#include "tests/support/descriptors.h"

namespace nigh::testing {
namespace {

using ::testing::StartsWith;

std::ptrdiff_t EntriesOf(const std::string& directory) {
  return std::distance(std::filesystem::directory_iterator(directory),
                       std::filesystem::directory_iterator());
}

std::ptrdiff_t SocketsNamed(absl::string_view name) {
  std::ifstream sockets("/proc/net/unix");
  std::ptrdiff_t count = 0;
  for (std::string line; std::getline(sockets, line);) count += absl::StrContains(line, name);
  return count;
}

TEST_P(PeerContract, C13ConnectionsLeaveNothingBehind) {
  const std::ptrdiff_t names = EntriesOf(SubjectDirectory());
  const int descriptors = OpenDescriptors();
  for (int i = 0; i < 20; ++i) {
    std::unique_ptr<Puppet> puppet;
    std::unique_ptr<Connection> mine;
    ASSERT_NO_FATAL_FAILURE(Connect(puppet, mine));
    puppet->Tell("echo");
    ASSERT_TRUE(Send(*mine, 1, Pattern(1, 10)).ok());
    ASSERT_TRUE(Receive(*mine).ok());
    mine.reset();
    EXPECT_THAT(puppet->Answer(), StartsWith("UNAVAILABLE: "));
  }
  EXPECT_EQ(OpenDescriptors(), descriptors);
  EXPECT_EQ(EntriesOf(SubjectDirectory()), names);
}

TEST_P(KilledPeerContract, C13KilledPeersLeaveNothingBehindHere) {
  const int descriptors = OpenDescriptors();
  for (int i = 0; i < 10; ++i) {
    std::unique_ptr<Puppet> puppet;
    std::unique_ptr<Connection> mine;
    ASSERT_NO_FATAL_FAILURE(Connect(puppet, mine));
    puppet->Kill();
    EXPECT_EQ(ReceiveEnd(*mine).code(), absl::StatusCode::kUnavailable);
  }
  EXPECT_EQ(OpenDescriptors(), descriptors);
}

TEST_F(TransportContract, C13AListenersNameGoesWithIt) {
  const std::ptrdiff_t names = EntriesOf(SubjectDirectory());
  auto listener = transport().listen(FreshAddress()).value();
  const Address address = listener->address();
  { auto pair = testing::Connect(transport(), *listener).value(); }
  listener.reset();
  EXPECT_EQ(EntriesOf(SubjectDirectory()), names);
  EXPECT_EQ(SocketsNamed(address.name), 0);
}

TEST_F(TransportContract, C13ConnectionsOutliveTheirListener) {
  auto listener = transport().listen(FreshAddress()).value();
  auto pair = testing::Connect(transport(), *listener).value();
  listener.reset();
  ASSERT_TRUE(Send(*pair.client, 1, "still there").ok());
  EXPECT_EQ(Receive(*pair.server).value().payload, "still there");
}

TEST_F(TransportContract, C14ALiveServerIsRespected) {
  auto first = transport().listen(FreshAddress()).value();
  const absl::Status refused = transport().listen(first->address()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kAlreadyExists) << refused;
  EXPECT_THAT(std::string(refused.message()),
              StartsWith(absl::StrCat(first->address().ToString(), ": listen: ")));
  EXPECT_EQ(first->Accept().value(), nullptr) << "the attempt disturbed the first server";
  EXPECT_TRUE(testing::Connect(transport(), *first).ok());
}

TEST_F(TransportContract, C14AnAddressIsFreeAgainAfterItsServer) {
  auto listener = transport().listen(FreshAddress()).value();
  const Address address = listener->address();
  for (int i = 0; i < 3; ++i) {
    auto pair = testing::Connect(transport(), *listener).value();
    listener.reset();
    auto again = transport().listen(address);
    ASSERT_TRUE(again.ok()) << again.status();
    listener = *std::move(again);
  }
}

TEST_P(KilledPeerContract, C14AKilledServersAddressIsTakenOver) {
  auto puppet = Puppet::Start(Placement::kProcess);
  std::string address = puppet->Ask(absl::StrCat("listen ", FreshAddress().ToString()));
  ASSERT_THAT(address, StartsWith("ok "));
  address.erase(0, 3);
  puppet->Kill();
  auto listener = transport().listen(MakeAddress(address));
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(testing::Connect(transport(), **listener).ok());
}

TEST_F(TransportContract, C15NobodyThereIsUnavailable) {
  auto listener = transport().listen(FreshAddress()).value();
  const Address address = listener->address();
  listener.reset();
  auto connection = transport().dial(address);
  const absl::Status status = connection.ok() ? ReceiveEnd(**connection) : connection.status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()),
              StartsWith(absl::StrCat(address.ToString(), ": connect: ")));
}

TEST_F(TransportContract, C15AParameterThatMeansNothingIsRefused) {
  Address address = FreshAddress();
  address.parameters.emplace_back("no-such-parameter", "1");
  EXPECT_EQ(transport().dial(address).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(transport().listen(address).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace nigh::testing
