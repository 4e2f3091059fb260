// Clients with coroutines.

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "nigh/task.h"
#include "tests/async/echo.h"

namespace nigh::testing {
namespace {

class CoroutineClient : public ::testing::Test {
 protected:
  CoroutineClient()
      : server_(std::in_place, service_, FreshAddress().ToString()),
        channel_(server_->Dial()),
        stub_(channel_) {}

  EchoService service_;
  std::optional<EchoServer> server_;
  std::shared_ptr<Channel> channel_;
  Echo::Stub stub_;
};

Task<absl::StatusOr<Text>> SayTwice(Echo::Stub& stub, std::string text) {
  const Text request = TextOf(std::move(text));
  absl::StatusOr<Text> first = co_await stub.CoSay(request);
  if (!first.ok()) co_return first.status();
  co_return co_await stub.CoSay(*first, {.timeout = absl::Seconds(60)});
}

TEST_F(CoroutineClient, AwaitsUnaryCalls) {
  const absl::StatusOr<Text> reply = BlockOn(SayTwice(stub_, "hello"));
  ASSERT_EQ(reply.status(), absl::OkStatus());
  EXPECT_EQ(reply->text(), "hello");
}

Task<int> SayMany(Echo::Stub& stub, int times) {
  int good = 0;
  for (int i = 0; i < times; ++i) {
    // Temporaries of every sort within one expression that is suspended.
    absl::StatusOr<Text> reply =
        co_await stub.CoSay(TextOf(absl::StrCat("number ", i, std::string(40, '.'))));
    if (reply.ok() && reply->text() == absl::StrCat("number ", i, std::string(40, '.'))) ++good;
  }
  co_return good;
}

TEST_F(CoroutineClient, AwaitsInALoop) { EXPECT_EQ(BlockOn(SayMany(stub_, 300)), 300); }

Task<absl::Status> SayTwoAtOnce(Echo::Stub& stub) {
  auto one = stub.CoSay(TextOf("one"));
  auto other = stub.CoSay(TextOf("other"));
  const absl::StatusOr<Text> second = co_await other;
  const absl::StatusOr<Text> first = co_await one;
  EXPECT_EQ(first.value().text(), "one");
  EXPECT_EQ(second.value().text(), "other");
  co_return absl::OkStatus();
}

TEST_F(CoroutineClient, BeginsCallsBeforeTheyAreAwaited) {
  EXPECT_EQ(BlockOn(SayTwoAtOnce(stub_)), absl::OkStatus());
}

Task<absl::Status> HangUntil(Echo::Stub& stub, absl::Duration timeout) {
  ClientContext context;
  context.set_timeout(timeout);
  const absl::StatusOr<Text> reply = co_await stub.CoHang(context, TextOf(""));
  co_return reply.status();
}

TEST_F(CoroutineClient, DeadlineResumesTheCoroutine) {
  EXPECT_EQ(BlockOn(HangUntil(stub_, absl::Milliseconds(20))).code(),
            absl::StatusCode::kDeadlineExceeded);
}

Task<int> CountReplies(Echo::Stub& stub, int count, absl::Status& status) {
  CoClientReader<Text> replies = stub.CoSplit(TextOf("x", count));
  int read = 0;
  while (std::optional<Text> reply = co_await replies.Read()) ++read;
  const std::optional<Text> after_the_end = co_await replies.Read();
  EXPECT_FALSE(after_the_end.has_value());
  status = co_await replies.Finish();
  co_return read;
}

TEST_F(CoroutineClient, ReadsToTheEnd) {
  absl::Status status = absl::UnknownError("");
  EXPECT_EQ(BlockOn(CountReplies(stub_, 100, status)), 100);
  EXPECT_EQ(status, absl::OkStatus());
}

Task<absl::StatusOr<Text>> JoinBlocks(Echo::Stub& stub, int count, size_t size) {
  CoClientWriter<Text, Text> requests = stub.CoJoin();
  const Text request = TextOf(std::string(size, 'b'));
  for (int i = 0; i < count; ++i) {
    if (!co_await requests.Write(request)) break;
  }
  EXPECT_TRUE(requests.WritesDone());
  const bool after_the_end = co_await requests.Write(request);
  EXPECT_FALSE(after_the_end);
  co_return co_await requests.Finish();
}

TEST_F(CoroutineClient, WriterWaitsForRoom) {
  const size_t size = TheSubject().slow ? 100 : 64 << 10;
  const absl::StatusOr<Text> reply = BlockOn(JoinBlocks(stub_, 60, size));
  ASSERT_EQ(reply.status(), absl::OkStatus());
  EXPECT_EQ(reply->count(), 60);
  EXPECT_EQ(reply->text().size(), 60 * size);
}

Task<absl::Status> Talk(Echo::Stub& stub, int times) {
  ClientContext context;
  CoClientStream<Text, Text> stream = stub.CoChat(context);
  for (int i = 0; i < times; ++i) {
    const bool written = co_await stream.Write(TextOf(absl::StrCat(i)));
    EXPECT_TRUE(written);
    const std::optional<Text> reply = co_await stream.Read();
    if (!reply.has_value()) break;
    EXPECT_EQ(reply->text(), absl::StrCat(i));
  }
  co_return co_await stream.Finish();
}

TEST_F(CoroutineClient, TalksBothWays) { EXPECT_EQ(BlockOn(Talk(stub_, 50)), absl::OkStatus()); }

Task<absl::Status> Wait(Echo::Stub& stub) {
  const absl::StatusOr<Text> reply = co_await stub.CoHang(TextOf(""));
  co_return reply.status();
}

Task<absl::Status> WaitWithin(Echo::Stub& stub) { co_return co_await Wait(stub); }

TEST_F(CoroutineClient, DestroyingWhatAwaitsCancelsTheCall) {
  RunningTask task = Start(WaitWithin(stub_), [](const absl::Status&) { FAIL(); });
  service_.hanging.Await();
  { const RunningTask destroyed = std::move(task); }
  service_.released.Await();
}

TEST_F(CoroutineClient, UnaryCallThatNobodyAwaitsIsCancelled) {
  {
    const auto call = stub_.CoHang(TextOf(""));
    service_.hanging.Await();
  }
  service_.released.Await();
}

TEST_F(CoroutineClient, ManyCoroutinesAtOnce) {
  constexpr int kTasks = 200;
  Event done;
  for (int i = 0; i < kTasks; ++i) {
    Start(SayMany(stub_, 5), [&](int good) {
      EXPECT_EQ(good, 5);
      done.Happen();
    }).Detach();
  }
  done.Await(kTasks);
}

Task<int> Seven() { co_return 7; }
Task<> Nothing() { co_return; }
Task<int> Throw() {
  throw std::runtime_error("thrown");
  co_return 0;
}
Task<int> Sum(int times) {
  int sum = 0;
  for (int i = 0; i < times; ++i) sum += co_await Seven();
  co_await Nothing();
  co_return sum;
}
Task<std::unique_ptr<int>> MoveOnly() { co_return std::make_unique<int>(3); }
Task<bool> Caught() {
  try {
    co_return co_await Throw() == 0;
  } catch (const std::runtime_error&) {
    co_return true;
  }
}

TEST(TaskTest, YieldsWhatItReturns) {
  EXPECT_EQ(BlockOn(Seven()), 7);
  EXPECT_EQ(BlockOn(Sum(100)), 700);
  EXPECT_EQ(*BlockOn(MoveOnly()), 3);
  BlockOn(Nothing());
}

TEST(TaskTest, ExceptionsGoToWhoAwaits) {
  EXPECT_TRUE(BlockOn(Caught()));
  EXPECT_THROW(BlockOn(Throw()), std::runtime_error);
}

TEST(TaskTest, DoesNothingUntilItIsAwaited) {
  bool ran = false;
  const auto lazy = [](bool& flag) -> Task<> {
    flag = true;
    co_return;
  };
  { const Task<> task = lazy(ran); }
  EXPECT_FALSE(ran);
  BlockOn(lazy(ran));
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace nigh::testing
