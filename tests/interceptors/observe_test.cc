// What interceptors see: every call, in order, with its messages, its end and its cancellation.

#include <any>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/interceptors/interceptor_suite.h"

namespace nigh::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(InterceptorTest, OfAClientAreLayersTheFirstOutermost) {
  RecordClient("a");
  RecordClient("b");
  EXPECT_EQ(Call(), absl::OkStatus());
  EXPECT_THAT(log().Take(), ElementsAre("a start", "b start", "a send 1", "b send 1", "b receive 1",
                                        "a receive 1", "b finish OK", "a finish OK"));
}

TEST_F(InterceptorTest, OfAServerAreLayersTheFirstOutermost) {
  RecordServer("a");
  RecordServer("b");
  EXPECT_EQ(Call(), absl::OkStatus());
  EXPECT_THAT(log().Take(), ElementsAre("a start", "b start", "a receive 1", "b receive 1",
                                        "b send 1", "a send 1", "b finish OK", "a finish OK"));
}

TEST_F(InterceptorTest, OfBothSidesEncloseTheCall) {
  RecordClient("client");
  RecordServer("server");
  EXPECT_EQ(Call(Play().End(absl::AbortedError("enough"))), absl::AbortedError("enough"));
  EXPECT_THAT(log().Take(),
              ElementsAre("client start", "client send 1", "server start", "server receive 1",
                          "server finish ABORTED", "client finish ABORTED"));
}

TEST_F(InterceptorTest, SeeEachMessageOfAServerStream) {
  RecordClient("c");
  ClientContext context;
  Play().Write(2).In(context);
  auto replies = stub().Replies(context, Blob());
  while (replies.Read().has_value()) {
  }
  EXPECT_EQ(replies.Finish(), absl::OkStatus());
  EXPECT_THAT(log().Take(),
              ElementsAre("c start", "c send 1", "c receive 1", "c receive 2", "c finish OK"));
}

TEST_F(InterceptorTest, SeeEachMessageOfAClientStream) {
  RecordClient("c");
  ClientContext context;
  Play().ReadAll().In(context);
  auto requests = stub().Requests(context);
  EXPECT_TRUE(requests.Write(Blob()));
  EXPECT_TRUE(requests.WriteLast(Blob()));
  EXPECT_EQ(requests.Finish().status(), absl::OkStatus());
  EXPECT_THAT(log().Take(),
              ElementsAre("c start", "c send 1", "c send 2", "c receive 1", "c finish OK"));
}

TEST_F(InterceptorTest, OfAServerSeeEachMessageOfABidiStream) {
  RecordServer("s");
  auto stream = stub().Both();
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(stream.Write(Blob()));
    EXPECT_TRUE(stream.Read().has_value());
  }
  EXPECT_EQ(stream.Finish(), absl::OkStatus());
  EXPECT_THAT(log().Take(), ElementsAre("s start", "s receive 1", "s send 1", "s receive 2",
                                        "s send 2", "s finish OK"));
}

TEST_F(InterceptorTest, KnowMethodKindPeerAndMessages) {
  ServerCustom& server = AddServer();
  server.start = [](InterceptedServerCall& call) {
    EXPECT_EQ(call.method(), "/nigh.testing.Scripted/Unary");
    EXPECT_EQ(call.kind(), MethodKind::kUnary);
    EXPECT_FALSE(call.context().peer().address.empty());
    return absl::OkStatus();
  };
  server.receive = [](InterceptedServerCall& /*call*/, const MessageView& message) {
    EXPECT_EQ(static_cast<const Blob*>(message.message)->body(), "bbb");
    return absl::OkStatus();
  };
  ClientCustom& client = AddClient();
  client.start = [](InterceptedClientCall& call) {
    EXPECT_EQ(call.method(), "/nigh.testing.Scripted/Unary");
    EXPECT_EQ(call.kind(), MethodKind::kUnary);
    return absl::OkStatus();
  };
  client.receive = [](InterceptedClientCall& /*call*/, const MessageView& message) {
    EXPECT_EQ(static_cast<const Blob*>(message.message)->body(), "bbb");
    return absl::OkStatus();
  };
  EXPECT_EQ(stub().Unary(BlobOf(3)).status(), absl::OkStatus());
}

TEST_F(InterceptorTest, SeeTheBytesOfGenericCalls) {
  const std::string bytes = BlobOf(3).SerializeAsString();
  std::vector<std::string> seen;
  ClientCustom& client = AddClient();
  client.send = client.receive = [&](InterceptedClientCall& /*call*/, const MessageView& message) {
    EXPECT_EQ(message.message, nullptr);
    seen.emplace_back(message.bytes);
    return absl::OkStatus();
  };
  EXPECT_EQ(*GenericStub(channel()).Call("/nigh.testing.Scripted/Unary", bytes), bytes);
  EXPECT_THAT(seen, ElementsAre(bytes, bytes));
}

TEST_F(InterceptorTest, KeepWhatTheyWantWithEachCall) {
  const auto start = [](auto& call) {
    EXPECT_FALSE(call.own().has_value());
    call.own() = std::string(call.method());
    return absl::OkStatus();
  };
  const auto finish = [](auto& call, absl::Status& /*status*/) {
    EXPECT_EQ(std::any_cast<std::string>(call.own()), call.method());
    EXPECT_GT(call.elapsed(), absl::ZeroDuration());
    EXPECT_LT(call.elapsed(), absl::Hours(1));
  };
  RecordClient("neighbour");
  AddClient().start = start;
  AddClient().start = start;
  ClientCustom& client = AddClient();
  client.start = start;
  client.finish = finish;
  ServerCustom& server = AddServer();
  server.start = start;
  server.finish = finish;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Call(), absl::OkStatus());
}

TEST_F(InterceptorTest, SeeTrailingMetadataAtTheEnd) {
  AddClient().finish = [](InterceptedClientCall& call, absl::Status& /*status*/) {
    EXPECT_EQ(call.context().initial_metadata().Get("early"), "1");
    EXPECT_EQ(call.context().trailing_metadata().Get("late"), "2");
  };
  EXPECT_EQ(Call(Play().Initial("early", "1").Trailing("late", "2")), absl::OkStatus());
}

TEST_F(InterceptorTest, SeeCallsThatNeverReachAServer) {
  Log log;
  const auto channel =
      Dial(FreshAddress().ToString(),
           {.transports = {&TheSubject().transport, 1},
            .interceptors = {std::make_shared<Recorder<InterceptedClientCall>>("c", log)}});
  EXPECT_THAT(Scripted::Stub(*channel).Unary(Blob()).status(), HasCode(kUnavailable));
  EXPECT_THAT(log.Take(), ElementsAre("c start", "c send 1", "c finish UNAVAILABLE"));
}

TEST_F(InterceptorTest, OfAServerDoNotSeeMethodsThatNobodyServes) {
  RecordServer("s");
  EXPECT_THAT(GenericStub(channel()).Call("/nigh.testing.Scripted/Fly", "").status(),
              HasCode(kUnimplemented));
  EXPECT_THAT(log().Take(), IsEmpty());
}

TEST_F(InterceptorTest, OfAServerSeeTheCallsOfItsFallback) {
  class Echo final : public GenericService {
    absl::Status Handle(ServerContext& /*context*/, GenericServerStream& stream) override {
      return stream.Write(*stream.SoleRequest()) ? absl::OkStatus() : absl::AbortedError("gone");
    }
  };
  Log log;
  Echo echo;
  Server server({.transports = {&TheSubject().transport, 1},
                 .interceptors = {std::make_shared<Recorder<InterceptedServerCall>>("s", log)}});
  server.RegisterFallback(echo);
  ASSERT_EQ(server.Listen(FreshAddress().ToString()), absl::OkStatus());
  ASSERT_EQ(server.Start(), absl::OkStatus());
  const auto channel =
      Dial(server.addresses().front(), {.transports = {&TheSubject().transport, 1}});
  EXPECT_EQ(Scripted::Stub(*channel).Unary(Blob()).status(), absl::OkStatus());
  EXPECT_THAT(log.Take(), ElementsAre("s start", "s receive 1", "s send 1", "s finish OK"));
}

TEST_F(InterceptorTest, SeeACallThatItsCallerCancels) {
  RecordClient("c");
  AddClient().start = [this](InterceptedClientCall& call) {
    call.AddCancelCallback([this] { log().Add("client cancels"); });
    return absl::OkStatus();
  };
  AddServer().start = [this](InterceptedServerCall& call) {
    for (const char* flag : {"one", "two"}) {
      call.AddCancelCallback([this, flag] { board().Raise(flag); });
    }
    return absl::OkStatus();
  };
  ClientContext context;
  Play().Raise("runs").AwaitCancel().In(context);
  auto stream = stub().Both(context);
  EXPECT_TRUE(board().Await("runs"));
  context.TryCancel();
  EXPECT_TRUE(board().Await("one"));
  EXPECT_TRUE(board().Await("two"));
  EXPECT_THAT(stream.Finish(), HasCode(kCancelled));
  EXPECT_THAT(log().Take(), ElementsAre("c start", "client cancels", "c finish CANCELLED"));
}

TEST_F(InterceptorTest, OfAServerAreToldOfADeadlineThatPasses) {
  AddServer().start = [this](InterceptedServerCall& call) {
    call.AddCancelCallback([this] { board().Raise("told"); });
    return absl::OkStatus();
  };
  ClientContext context;
  context.set_timeout(absl::Milliseconds(50));
  EXPECT_THAT(Call(Play().Await("told"), context), HasCode(kDeadlineExceeded));
}

TEST_F(InterceptorTest, AreNotToldOfACancellationAfterTheEnd) {
  const auto start = [this](auto& call) {
    call.AddCancelCallback([this] { log().Add("cancelled"); });
    return absl::OkStatus();
  };
  AddClient().start = start;
  AddServer().start = start;
  ClientContext context;
  EXPECT_EQ(Call({}, context), absl::OkStatus());
  context.TryCancel();
  EXPECT_THAT(log().Take(), IsEmpty());
}

TEST_F(InterceptorTest, CanCancelTheCall) {
  AddClient().start = [](InterceptedClientCall& call) {
    call.context().TryCancel();
    return absl::OkStatus();
  };
  EXPECT_THAT(Call(), HasCode(kCancelled));
}

TEST_F(InterceptorTest, SeeTheEndOfAStreamThatItsCallerLetsGo) {
  RecordClient("c");
  {
    auto stream = stub().Both();
    EXPECT_TRUE(stream.Write(Blob()));
  }
  EXPECT_THAT(log().Take(), ElementsAre("c start", "c send 1", "c finish CANCELLED"));
}

TEST_F(InterceptorTest, SeeTheEndOnceHoweverOftenItIsAskedFor) {
  RecordClient("c");
  auto stream = stub().Both();
  EXPECT_EQ(stream.Finish(), absl::OkStatus());
  EXPECT_EQ(stream.Finish(), absl::OkStatus());
  EXPECT_THAT(log().Take(), ElementsAre("c start", "c finish OK"));
}

TEST_F(InterceptorTest, NullIsRefused) {
  const auto channel = Dial("inproc:nobody", {.interceptors = {nullptr}});
  EXPECT_EQ(channel.status(), absl::InvalidArgumentError("option interceptors: must not be null"));
  Server server({.interceptors = {nullptr}});
  EXPECT_EQ(server.Start(), absl::InvalidArgumentError("option interceptors: must not be null"));
}

}  // namespace
}  // namespace nigh::testing
