#include "nigh/testing/virtual_clock.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/deadline.h"
#include "nigh/event_loop.h"
#include "nigh/server.h"
#include "nigh/testing/faulty_transport.h"
#include "tests/async/echo.h"

namespace nigh::testing {
namespace {

// No test waits for as long as this.
constexpr absl::Duration kLong = absl::Hours(1);

TEST(VirtualClock, StandsStillUntilItIsAdvanced) {
  const int64_t before = SteadyNanos();
  VirtualClock clock;
  const Deadline soon = Deadline::After(absl::Nanoseconds(1));
  while (SteadyNanos() < before + 5'000'000) std::this_thread::yield();
  EXPECT_FALSE(soon.HasPassed());
  EXPECT_EQ(soon.Remaining(), absl::Nanoseconds(1));
  clock.Advance(absl::Nanoseconds(1));
  EXPECT_TRUE(soon.HasPassed());
}

TEST(VirtualClock, GoesOnFromTheTimeThatItIs) {
  const Deadline later = Deadline::After(kLong);
  VirtualClock clock;
  EXPECT_GT(later.Remaining(), kLong - absl::Minutes(1));
  clock.Advance(kLong);
  EXPECT_TRUE(later.HasPassed());
}

// A sleeper looks at the clock at once, and then each millisecond.
TEST(VirtualClock, HasTheKernelWaitForAMillisecondAtMost) {
  VirtualClock clock;
  const Deadline later = Deadline::After(kLong);
  EXPECT_EQ(later.RemainingMillis(), 1);
  EXPECT_EQ(later.RemainingTimespec().tv_sec, 0);
  EXPECT_LE(later.RemainingTimespec().tv_nsec, 1'000'000);
  EXPECT_EQ(Deadline::Infinite().RemainingMillis(), -1);
}

class VirtualCallsTest : public ::testing::Test {
 protected:
  VirtualClock clock_;
  EchoService service_;
  EchoServer server_{service_, FreshAddress().ToString()};
};

TEST_F(VirtualCallsTest, ACallsDeadlinePasses) {
  const Echo::Stub stub(server_.Dial());
  absl::Status status;
  std::thread caller([&] { status = stub.Hang(Text(), {.timeout = kLong}).status(); });
  service_.hanging.Await();
  clock_.Advance(kLong);
  caller.join();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  // At the server as well: its own timer has cancelled the handler.
  service_.released.Await();
}

TEST_F(VirtualCallsTest, AnAsynchronousCallsDeadlinePasses) {
  const Echo::Stub stub(server_.Dial());
  ClientContext context;
  context.set_timeout(kLong);
  Text reply;
  Slot<absl::Status> status;
  stub.AsyncHang(context, Text(), &reply, status.Setter());
  service_.hanging.Await();
  clock_.Advance(kLong);
  EXPECT_TRUE(absl::IsDeadlineExceeded(status.Get()));
}

TEST_F(VirtualCallsTest, AnEventLoopSleepsByIt) {
  EventLoop loop;
  const Deadline deadline = Deadline::After(kLong);
  std::thread sleeper([&] {
    while (!deadline.HasPassed()) loop.WaitAndPoll(deadline);
  });
  clock_.Advance(kLong);
  sleeper.join();
}

// Between two attempts to connect there is a pause, which nobody has to wait for. The hours also
// pass while a connection is being made, so neither side may give up on the other.
TEST_F(VirtualCallsTest, BackoffPasses) {
  EchoServer patient(service_, FreshAddress().ToString(),
                     {.hello_timeout = absl::InfiniteDuration()});
  const std::string address = "faulty:dial=EMFILE,#2/dial=ENOMEM:" + patient.address();
  AddFaultyTransports({&TheSubject().transport, 1});
  const std::shared_ptr<Channel> channel =
      Dial(address, {.connect_timeout = absl::InfiniteDuration(),
                     .min_backoff = kLong,
                     .max_backoff = kLong,
                     .transports = {&kFaultyTransport, 1}})
          .value();
  absl::Status status = absl::UnknownError("not yet");
  std::atomic<bool> over = false;
  std::thread caller([&] {
    status = Echo::Stub(channel).Say(TextOf("hello"), {.wait_for_ready = true}).status();
    over = true;
  });
  while (!over) clock_.Advance(kLong);
  caller.join();
  EXPECT_EQ(status, absl::OkStatus());
  EXPECT_EQ(CountDialled(address).connections, 3);
}

TEST_F(VirtualCallsTest, ADelayPasses) {
  AddFaultyTransports({&TheSubject().transport, 1});
  const std::string address = "faulty:in@0=delay(1h):" + server_.address();
  const std::shared_ptr<Channel> channel =
      Dial(address, {.connect_timeout = 2 * kLong, .transports = {&kFaultyTransport, 1}}).value();
  absl::Status status = absl::UnknownError("not yet");
  std::thread caller([&] { status = Echo::Stub(channel).Say(TextOf("hello")).status(); });
  while (CountDialled(address).faults == 0) std::this_thread::yield();
  EXPECT_EQ(CountDialled(address).in, 0);
  clock_.Advance(kLong);
  caller.join();
  EXPECT_EQ(status, absl::OkStatus());
}

}  // namespace
}  // namespace nigh::testing

int main(int argc, char** argv) {
  nigh::testing::ChooseSubject(&argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
