// Many calls, many connections, many streams.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/transport/connection.h"
#include "tests/conformance/call_suite.h"
#include "tests/contract/frames.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

using ::testing::AnyOf;

class Many : public CallSuite {
 protected:
  // Until the server has noticed that everybody has left.
  void AwaitServerFds(int fds) {
    while (WeighServer().fds() > fds && !HasFailure()) std::this_thread::yield();
  }
};
INSTANTIATE_TEST_SUITE_P(Peer, Many, ::testing::ValuesIn(Placements()), PlacementName);

TEST_P(Many, TenThousandCallsOnOneChannel) {
  const Scripted::Stub stub(channel());
  const Blob request = BlobOf(64);
  Blob reply;
  for (int i = 0; i < Times(10'000); ++i) {
    ClientContext context;
    ASSERT_EQ(stub.Unary(context, request, &reply), absl::OkStatus());
  }
}

TEST_P(Many, TenThousandCallsOfTenThreads) {
  const Scripted::Stub stub(channel());
  std::vector<std::thread> callers;
  for (int i = 0; i < 10; ++i) {
    callers.emplace_back([&] {
      for (int call = 0; call < Times(1000); ++call) {
        ASSERT_EQ(stub.Unary(BlobOf(64)).status(), absl::OkStatus());
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

TEST_P(Many, AThousandConnections) {
  std::vector<std::shared_ptr<Channel>> channels;
  for (int i = 0; i < std::min(Times(1000), TheSubject().connections); ++i) {
    channels.push_back(Dial());
    ASSERT_EQ(Scripted::Stub(channels.back()).Unary(BlobOf(1)).status(), absl::OkStatus());
  }
  for (const std::shared_ptr<Channel>& channel : channels) {
    ASSERT_EQ(Scripted::Stub(channel).Unary(BlobOf(1)).status(), absl::OkStatus());
  }
}

TEST_P(Many, AThousandStreamsAtOnce) {
  const Scripted::Stub stub(channel());
  std::vector<ClientStream<Blob, Blob>> streams;
  for (int i = 0; i < Times(1000); ++i) {
    streams.push_back(stub.Both());
    ASSERT_TRUE(streams.back().Write(BlobOf(10)));
  }
  for (int round = 0; round < 3; ++round) {
    for (auto& stream : streams) ASSERT_TRUE(stream.Read().has_value());
    for (auto& stream : streams) ASSERT_TRUE(stream.Write(BlobOf(10)));
  }
  for (auto& stream : streams) EXPECT_EQ(stream.Finish(), absl::OkStatus());
}

TEST_P(Many, ComingsAndGoingsLeaveNothingBehind) {
  const auto come_and_go = [&](int times) {
    for (int i = 0; i < times; ++i) {
      ASSERT_EQ(Scripted::Stub(Dial()).Unary(BlobOf(1)).status(), absl::OkStatus());
    }
  };
  // What grows at first is kept for later.
  come_and_go(Times(200));
  const Weight before = WeighServer();
  const int fds = WeighProcess().fds();
  come_and_go(Times(1000));
  AwaitServerFds(before.fds());
  EXPECT_LE(WeighServer().fds(), before.fds());
  EXPECT_LE(WeighProcess().fds(), fds);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(WeighServer().resident_bytes(), before.resident_bytes() + (int64_t{8} << 20));
#endif
}

// Connections that say nothing, and vanish.
TEST_P(Many, RudeVisitorsLeaveNothingBehind) {
  EXPECT_EQ(stub().Unary(Blob()).status(), absl::OkStatus());
  const Weight before = WeighServer();
  const Address address = MakeAddress(server().address());
  for (int i = 0; i < Times(1000); ++i) {
    auto connection = TheSubject().transport.dial(address);
    // A server that is overrun may refuse some, but not for good.
    EXPECT_THAT(connection.status(), AnyOf(HasCode(kOk), HasCode(kUnavailable)));
  }
  EXPECT_EQ(stub().Unary(Blob()).status(), absl::OkStatus());
  AwaitServerFds(before.fds());
}

}  // namespace
}  // namespace nigh::testing
