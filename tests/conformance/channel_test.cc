// Channels: their states, waiting for a server, coming back to one.

#include <atomic>
#include <latch>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/deadline.h"
#include "tests/conformance/call_suite.h"

namespace nigh::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Channels : public CallSuite {
 protected:
  // An address where a server has been and may come again.
  void LeaveAnAddress() {
    Serve();
    (void)Count("anything");
    ASSERT_EQ(server().Stop(), absl::OkStatus());
  }
  // For a channel that tries again at once.
  static ChannelOptions Eager() {
    return {.min_backoff = absl::Milliseconds(1), .max_backoff = absl::Milliseconds(10)};
  }
  static absl::Status Call(const std::shared_ptr<Channel>& channel, CallOptions options = {}) {
    return Scripted::Stub(channel).Unary(BlobOf(1), options).status();
  }
};
INSTANTIATE_TEST_SUITE_P(Peer, Channels, ::testing::ValuesIn(Placements()), PlacementName);

TEST_P(Channels, AreIdleUntilTheFirstCall) {
  const std::shared_ptr<Channel> channel = Dial();
  EXPECT_EQ(channel->state(), ChannelState::kIdle);
  EXPECT_EQ(Call(channel), absl::OkStatus());
  EXPECT_EQ(channel->state(), ChannelState::kReady);
}

TEST_P(Channels, TellTheirStatesInOrder) {
  const std::shared_ptr<Channel> channel = Dial(Eager());
  std::vector<ChannelState> states;
  channel->OnStateChange([&](ChannelState state) { states.push_back(state); });
  EXPECT_EQ(Call(channel), absl::OkStatus());
  EXPECT_THAT(states, ElementsAre(ChannelState::kConnecting, ChannelState::kReady));
  states.clear();
  ASSERT_EQ(server().Stop(), absl::OkStatus());
  // The first may still be sent to the server that has just gone.
  do {
    EXPECT_THAT(Call(channel), HasCode(kUnavailable));
  } while (channel->state() == ChannelState::kIdle);
  EXPECT_THAT(states, ElementsAre(ChannelState::kIdle, ChannelState::kConnecting,
                                  ChannelState::kTransientFailure));
}

TEST_P(Channels, FailAtOnceWithoutAServer) {
  LeaveAnAddress();
  const std::shared_ptr<Channel> channel = Dial();
  const absl::Status status = Call(channel);
  EXPECT_THAT(status, HasCode(kUnavailable));
  EXPECT_THAT(std::string(status.message()), HasSubstr(server().address()));
  EXPECT_EQ(channel->state(), ChannelState::kTransientFailure);
}

TEST_P(Channels, WaitForTheServerWhenAskedTo) {
  LeaveAnAddress();
  const std::shared_ptr<Channel> channel = Dial(Eager());
  std::latch failed(1);
  std::once_flag once;
  channel->OnStateChange([&](ChannelState state) {
    if (state == ChannelState::kTransientFailure) {
      std::call_once(once, [&] { failed.count_down(); });
    }
  });
  std::thread caller([&] { EXPECT_EQ(Call(channel, {.wait_for_ready = true}), absl::OkStatus()); });
  failed.wait();
  ServeAgain();
  caller.join();
}

TEST_P(Channels, WaitNoLongerThanTheDeadline) {
  LeaveAnAddress();
  EXPECT_THAT(Call(Dial(Eager()), {.timeout = absl::Milliseconds(50), .wait_for_ready = true}),
              HasCode(kDeadlineExceeded));
  EXPECT_THAT(Dial(Eager())->WaitForReady(absl::Milliseconds(50)), HasCode(kDeadlineExceeded));
}

TEST_P(Channels, WaitNoLongerThanACancel) {
  LeaveAnAddress();
  const std::shared_ptr<Channel> channel = Dial(Eager());
  ClientContext context;
  context.set_wait_for_ready(true);
  std::latch failed(1);
  std::once_flag once;
  channel->OnStateChange([&](ChannelState state) {
    if (state == ChannelState::kTransientFailure) {
      std::call_once(once, [&] { failed.count_down(); });
    }
  });
  std::thread canceller([&] {
    failed.wait();
    context.TryCancel();
  });
  Blob reply;
  EXPECT_THAT(Scripted::Stub(channel).Unary(context, Blob(), &reply), HasCode(kCancelled));
  canceller.join();
}

TEST_P(Channels, ComeBackToARestartedServer) {
  const std::shared_ptr<Channel> channel = Dial(Eager());
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(Call(channel, {.wait_for_ready = true}), absl::OkStatus());
    ASSERT_EQ(server().Stop(), absl::OkStatus());
    ServeAgain();
    // A session that was used a moment ago is trusted with a call without a look at it.
    const Deadline silent = Deadline::After(absl::Milliseconds(1));
    while (!silent.HasPassed()) std::this_thread::yield();
  }
  EXPECT_EQ(Call(channel, {.wait_for_ready = true}), absl::OkStatus());
}

TEST_P(Channels, ConnectOnceForManyThreads) {
  const std::shared_ptr<Channel> channel = Dial();
  std::atomic<int> connected = 0;
  channel->OnStateChange([&](ChannelState state) { connected += state == ChannelState::kReady; });
  std::vector<std::thread> callers;
  for (int i = 0; i < 20; ++i) {
    callers.emplace_back([&] { EXPECT_EQ(Call(channel), absl::OkStatus()); });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(connected, 1);
}

TEST_P(Channels, MayGoAwayInTheirOwnCallback) {
  for (const ChannelState moment : {ChannelState::kConnecting, ChannelState::kReady}) {
    std::shared_ptr<Channel> channel = Dial();
    channel->OnStateChange([&](ChannelState state) {
      if (state == moment) channel = nullptr;
    });
    EXPECT_EQ(channel->WaitForReady(absl::InfiniteDuration()), absl::OkStatus());
    EXPECT_EQ(channel, nullptr);
  }
}

TEST_P(Channels, MayGoAwayWithTheirStubInACallbackOfTheirFirstCall) {
  for (const ChannelState moment : {ChannelState::kConnecting, ChannelState::kReady}) {
    ClientContext context;
    std::shared_ptr<Channel> channel = Dial();
    auto stub = std::make_unique<Scripted::Stub>(channel);
    channel->OnStateChange([&](ChannelState state) {
      if (state != moment) return;
      stub = nullptr;
      channel = nullptr;
    });
    Blob reply;
    EXPECT_EQ(stub->Unary(context, Blob(), &reply), absl::OkStatus());
    EXPECT_EQ(channel, nullptr);
  }
}

TEST_P(Channels, MayGoAwayWhileACallOfTheirsRuns) {
  ClientContext context;
  Play().Await("go").Write(1).In(context);
  std::shared_ptr<Channel> channel = Dial();
  auto replies = Scripted::Stub(channel).Replies(context, Blob());
  channel = nullptr;
  Raise("go");
  EXPECT_TRUE(replies.Read().has_value());
  EXPECT_EQ(replies.Finish(), absl::OkStatus());
}

TEST_P(Channels, RefuseWhatIsNoAddress) {
  EXPECT_EQ(nigh::Dial("no scheme").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(nigh::Dial("carrier-pigeon:7").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(Channels, LimitTheCallsInFlight) {
  const Scripted::Stub stub(Dial({.limits = {.max_calls = 2}}));
  auto first = stub.Both(), second = stub.Both();
  EXPECT_THAT(stub.Unary(Blob()).status(), HasCode(kResourceExhausted));
  EXPECT_EQ(first.Finish(), absl::OkStatus());
  EXPECT_EQ(stub.Unary(Blob()).status(), absl::OkStatus());
  EXPECT_EQ(second.Finish(), absl::OkStatus());
}

}  // namespace
}  // namespace nigh::testing
