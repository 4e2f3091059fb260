// Servers whose handlers are coroutines.

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "nigh/co_service.h"
#include "nigh/task.h"
#include "tests/async/echo.h"

namespace nigh::testing {
namespace {

class CoroutineServer : public ::testing::Test {
 protected:
  CoroutineServer()
      : server_(std::in_place, service_, FreshAddress().ToString()),
        channel_(server_->Dial()),
        stub_(channel_) {}

  CoEchoService service_;
  std::optional<EchoServer> server_;
  std::shared_ptr<Channel> channel_;
  Echo::Stub stub_;
};

TEST_F(CoroutineServer, ServesUnaryCalls) {
  for (int i = 0; i < 100; ++i) {
    const absl::StatusOr<Text> reply = stub_.Say(TextOf(absl::StrCat(i)));
    ASSERT_EQ(reply.status(), absl::OkStatus());
    EXPECT_EQ(reply->text(), absl::StrCat(i));
  }
}

TEST_F(CoroutineServer, WritesManyReplies) {
  auto replies = stub_.Split(TextOf("x", 100));
  int count = 0;
  while (replies.Read()) ++count;
  EXPECT_EQ(replies.Finish(), absl::OkStatus());
  EXPECT_EQ(count, 100);
}

TEST_F(CoroutineServer, ReadsManyRequests) {
  auto requests = stub_.Join();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(requests.Write(TextOf(absl::StrCat(i))));
  const absl::StatusOr<Text> reply = requests.Finish();
  ASSERT_EQ(reply.status(), absl::OkStatus());
  EXPECT_EQ(reply->text(), "0123456789");
}

TEST_F(CoroutineServer, TalksBothWays) {
  auto stream = stub_.Chat();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(stream.Write(TextOf(absl::StrCat(i))));
    const std::optional<Text> reply = stream.Read();
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->text(), absl::StrCat(i));
  }
  EXPECT_TRUE(stream.WritesDone());
  EXPECT_EQ(stream.Finish(), absl::OkStatus());
  EXPECT_EQ(service_.cancelled.times(), 0);
}

TEST_F(CoroutineServer, WriterWaitsForASlowReaderAndNobodyElse) {
  const size_t size = TheSubject().slow ? 100 : 64 << 10;
  constexpr int kReplies = 60;
  auto replies = stub_.Split(TextOf(std::string(size, 's'), kReplies));
  ASSERT_TRUE(replies.Read().has_value());
  EXPECT_EQ(stub_.Say(TextOf("meanwhile")).status(), absl::OkStatus());
  if (!TheSubject().slow) {
    EXPECT_EQ(service_.released.times(), 0);
  }
  int count = 1;
  while (replies.Read()) ++count;
  EXPECT_EQ(replies.Finish(), absl::OkStatus());
  EXPECT_EQ(count, kReplies);
}

TEST_F(CoroutineServer, MethodThatIsLeftOutIsUnimplemented) {
  EXPECT_EQ(stub_.Hang(TextOf("")).status().code(), absl::StatusCode::kUnimplemented);
}

TEST_F(CoroutineServer, CancelledCallEndsItsHandlersWaits) {
  ClientContext reading;
  auto chat = stub_.Chat(reading);
  ASSERT_TRUE(chat.Write(TextOf("begun")));
  ASSERT_TRUE(chat.Read().has_value());
  reading.TryCancel();
  service_.cancelled.Await();
  service_.released.Await(1);

  ClientContext writing;
  auto split = stub_.Split(writing, TextOf("for ever", -1));
  ASSERT_TRUE(split.Read().has_value());
  writing.TryCancel();
  service_.released.Await(2);
}

TEST_F(CoroutineServer, ClientThatLeavesEndsItsHandlersWaits) {
  Echo::Stub leaving(server_->Dial());
  {
    auto chat = leaving.Chat();
    auto split = leaving.Split(TextOf("for ever", -1));
    ASSERT_TRUE(chat.Write(TextOf("begun")));
    ASSERT_TRUE(chat.Read().has_value());
    ASSERT_TRUE(split.Read().has_value());
    leaving = stub_;
  }
  service_.released.Await(2);
}

TEST_F(CoroutineServer, DeadlineEndsAHandlersWait) {
  ClientContext context;
  context.set_timeout(absl::Milliseconds(20));
  auto chat = stub_.Chat(context);
  EXPECT_FALSE(chat.Read().has_value());
  EXPECT_EQ(chat.Finish().code(), absl::StatusCode::kDeadlineExceeded);
  service_.cancelled.Await();
}

TEST_F(CoroutineServer, ShutdownCancelsHandlersThatWait) {
  std::vector<ClientStream<Text, Text>> streams;
  for (int i = 0; i < 20; ++i) {
    streams.push_back(stub_.Chat());
    ASSERT_TRUE(streams.back().Write(TextOf("begun")));
    ASSERT_TRUE(streams.back().Read().has_value());
  }
  server_->server().Shutdown(absl::ZeroDuration());
  EXPECT_EQ(service_.cancelled.times(), 20);
  for (auto& stream : streams) {
    EXPECT_EQ(stream.Finish().code(), absl::StatusCode::kUnavailable);
  }
}

TEST_F(CoroutineServer, ShutdownLetsHandlersEndWithinTheGrace) {
  auto chat = stub_.Chat();
  ASSERT_TRUE(chat.Write(TextOf("begun")));
  ASSERT_TRUE(chat.Read().has_value());
  std::thread closing([&] { server_->server().Shutdown(absl::InfiniteDuration()); });
  EXPECT_TRUE(chat.Write(TextOf("still there")));
  EXPECT_TRUE(chat.Read().has_value());
  EXPECT_TRUE(chat.WritesDone());
  EXPECT_EQ(chat.Finish(), absl::OkStatus());
  closing.join();
  EXPECT_EQ(service_.cancelled.times(), 0);
}

Task<int> TalkOnMany(Echo::Stub& stub, int count, int& threads) {
  std::vector<CoClientStream<Text, Text>> streams;
  for (int i = 0; i < count; ++i) streams.push_back(stub.CoChat());
  int good = 0;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < count; ++i) {
      const Text request = TextOf("", i);
      (void)co_await streams[i].Write(request);
    }
    for (int i = 0; i < count; ++i) {
      const std::optional<Text> reply = co_await streams[i].Read();
      if (reply.has_value() && reply->count() == i) ++good;
    }
    threads = ThreadCount();
  }
  for (CoClientStream<Text, Text>& stream : streams) {
    const absl::Status status = co_await stream.Finish();
    if (status.ok()) ++good;
  }
  co_return good;
}

TEST_F(CoroutineServer, TenThousandOpenStreamsNeedAHandfulOfThreads) {
  const int streams = TheSubject().slow ? 500 : 10'000;
  int threads = 0;
  EXPECT_EQ(BlockOn(TalkOnMany(stub_, streams, threads)), 3 * streams);
  // Two pollers, a watchdog, and some more when other programs keep the pollers from running.
  EXPECT_LE(threads, 24);
}

TEST_F(CoroutineServer, ManyHandlersHearThatTheirClientHasLeft) {
  const int streams = TheSubject().slow ? 50 : 2000;
  {
    Echo::Stub leaving(server_->Dial());
    std::vector<CoClientStream<Text, Text>> chats;
    for (int i = 0; i < streams; ++i) chats.push_back(leaving.CoChat());
    const auto talk = [](CoClientStream<Text, Text>& chat) -> Task<bool> {
      const Text request = TextOf("begun");
      (void)co_await chat.Write(request);
      const std::optional<Text> reply = co_await chat.Read();
      co_return reply.has_value();
    };
    // Each has been answered, and so has begun. The last's answer would not tell of the others:
    // those that were waiting for the connection may begin after it.
    for (CoClientStream<Text, Text>& chat : chats) EXPECT_TRUE(BlockOn(talk(chat)));
  }
  service_.cancelled.Await(streams);
}

// Does what the text says.
class ObedientService final : public Echo::CoService {
 public:
  explicit ObedientService(Echo::Stub* backend = nullptr) : backend_(backend) {}

  Task<absl::Status> Say(ServerContext& context, const Text& request, Text* reply) override {
    co_await Pause();
    if (request.text() == "throw") throw std::runtime_error("thrown");
    if (request.text() == "fail") {
      context.AddTrailingMetadata("why", "told to");
      co_return absl::DataLossError("failed");
    }
    if (request.text() == "block") go_on.Await();
    if (request.text() == "go on") go_on.Happen();
    *reply = request;
    co_return absl::OkStatus();
  }
  Task<absl::Status> Hang(ServerContext& context, const Text& request, Text* reply) override {
    ClientContext nested(context);
    absl::StatusOr<Text> relayed = co_await backend_->CoHang(nested, request);
    ended.Happen();
    if (!relayed.ok()) co_return relayed.status();
    *reply = *relayed;
    co_return absl::OkStatus();
  }
  Task<absl::Status> Join(ServerContext& context, CoServerReader<Text>& requests, Text*) override {
    context.SetCancelCallback([this] { told.Happen(); });
    while (std::optional<Text> request = co_await requests.Read()) {
    }
    ended.Happen();
    co_return absl::OkStatus();
  }

  Event go_on;
  Event told;
  Event ended;

 private:
  static Task<> Pause() { co_return; }

  Echo::Stub* const backend_;
};

TEST(CoroutineHandler, ExceptionIsUnknown) {
  ObedientService service;
  EchoServer server(service, FreshAddress().ToString());
  const absl::Status status = Echo::Stub(server.Dial()).Say(TextOf("throw")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnknown);
  EXPECT_NE(status.message().find("thrown"), std::string::npos) << status;
}

TEST(CoroutineHandler, StatusAndTrailingMetadataArrive) {
  ObedientService service;
  EchoServer server(service, FreshAddress().ToString());
  ClientContext context;
  Text reply;
  const absl::Status status = Echo::Stub(server.Dial()).Say(context, TextOf("fail"), &reply);
  EXPECT_EQ(status, absl::DataLossError("failed"));
  EXPECT_EQ(context.trailing_metadata().Get("why").value_or(""), "told to");
}

TEST(CoroutineHandler, OneThatBlocksHoldsUpNobodyElse) {
  ObedientService service;
  EchoServer server(service, FreshAddress().ToString(), {.pollers = 1});
  Echo::Stub stub(server.Dial());
  ClientContext context;
  Text reply;
  Slot<absl::Status> blocked;
  stub.AsyncSay(context, TextOf("block"), &reply, blocked.Setter());
  EXPECT_EQ(stub.Say(TextOf("go on")).status(), absl::OkStatus());
  EXPECT_EQ(blocked.Get(), absl::OkStatus());
}

TEST(CoroutineHandler, MayBeCancelledInACallOfItsOwn) {
  EchoService hanging;
  EchoServer backend(hanging, FreshAddress().ToString());
  Echo::Stub to_backend(backend.Dial());
  ObedientService service(&to_backend);
  EchoServer server(service, FreshAddress().ToString());
  ClientContext context;
  Text reply;
  Slot<absl::Status> status;
  Echo::Stub(server.Dial()).AsyncHang(context, TextOf(""), &reply, status.Setter());
  hanging.hanging.Await();
  context.TryCancel();
  EXPECT_EQ(status.Get().code(), absl::StatusCode::kCancelled);
  hanging.released.Await();
  service.ended.Await();
}

TEST(CoroutineHandler, CancelCallbackRunsOnce) {
  ObedientService service;
  EchoServer server(service, FreshAddress().ToString());
  for (int round = 1; round <= 20; ++round) {
    ClientContext context;
    auto requests = Echo::Stub(server.Dial()).Join(context);
    ASSERT_TRUE(requests.Write(TextOf("begun")));
    context.TryCancel();
    service.ended.Await(round);
  }
  server.server().Shutdown(absl::InfiniteDuration());
  EXPECT_LE(service.told.times(), 20);
}

}  // namespace
}  // namespace nigh::testing
