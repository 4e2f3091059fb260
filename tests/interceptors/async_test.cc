// Interceptors of calls that nobody waits for in a thread: with callbacks, and coroutines on either
// side.

#include <atomic>
#include <deque>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/interceptors/interceptor_suite.h"

namespace nigh::testing {
namespace {

using ::testing::ElementsAre;

// Echoes, with coroutines.
class CoEcho final : public Scripted::CoService {
  Task<absl::Status> Unary(ServerContext& /*context*/, const Blob& request, Blob* reply) override {
    *reply = request;
    co_return absl::OkStatus();
  }
  Task<absl::Status> Both(ServerContext& /*context*/, CoServerStream<Blob, Blob>& stream) override {
    while (std::optional<Blob> request = co_await stream.Read()) {
      if (!co_await stream.Write(*request)) break;
    }
    co_return absl::OkStatus();
  }
};

// What the callback of a call is told.
class Told {
 public:
  DoneCallback Callback() {
    return [this](absl::Status status) {
      status_ = std::move(status);
      board_.Raise("done");
    };
  }
  AsyncClientStreamBase::Done Flag() {
    return [this](bool ok) {
      ok_ = ok;
      board_.Raise("done");
    };
  }
  absl::Status AwaitStatus() {
    EXPECT_TRUE(board_.Await("done", ++times_));
    return status_;
  }
  bool AwaitFlag() {
    EXPECT_TRUE(board_.Await("done", ++times_));
    return ok_;
  }

 private:
  Board board_;
  int times_ = 0;
  absl::Status status_;
  bool ok_ = false;
};

TEST_F(InterceptorTest, SeeAUnaryCallWithACallback) {
  RecordClient("c");
  for (int i = 0; i < 2; ++i) {  // once connecting, once connected
    ClientContext context;
    Blob reply;
    Told told;
    stub().AsyncUnary(context, BlobOf(3), &reply, told.Callback());
    EXPECT_EQ(told.AwaitStatus(), absl::OkStatus());
    EXPECT_EQ(reply.body().size(), 3);
    EXPECT_THAT(log().Take(), ElementsAre("c start", "c send 1", "c receive 1", "c finish OK"));
  }
}

TEST_F(InterceptorTest, SeeAStreamWithCallbacks) {
  RecordClient("c");
  ClientContext context;
  auto stream = stub().AsyncBoth(context);
  Told told;
  Blob reply;
  for (int i = 0; i < 2; ++i) {
    stream.Write(Blob(), told.Flag());
    EXPECT_TRUE(told.AwaitFlag());
    stream.Read(&reply, told.Flag());
    EXPECT_TRUE(told.AwaitFlag());
  }
  stream.WritesDone();
  stream.Finish(told.Callback());
  EXPECT_EQ(told.AwaitStatus(), absl::OkStatus());
  EXPECT_THAT(log().Take(), ElementsAre("c start", "c send 1", "c receive 1", "c send 2",
                                        "c receive 2", "c finish OK"));
}

TEST_F(InterceptorTest, SeeTheEndOfAStreamWithCallbacksThatItsCallerLetsGo) {
  RecordClient("c");
  ClientContext context;
  {
    auto stream = stub().AsyncBoth(context);
    Told told;
    stream.Write(Blob(), told.Flag());
    EXPECT_TRUE(told.AwaitFlag());
  }
  EXPECT_THAT(log().Take(), ElementsAre("c start", "c send 1", "c finish CANCELLED"));
}

TEST_F(InterceptorTest, EachMessageOfAWriterThatHasToWaitIsSeenOnce) {
  RecordClient("c");
  ClientContext context;
  Play().Await("go").ReadAll().In(context);
  auto requests = stub().AsyncRequests(context);
  constexpr int kMessages = 20;
  std::vector<std::string> expected = {"c start"};
  Board written;
  for (int i = 1; i <= kMessages; ++i) {
    expected.push_back(absl::StrCat("c send ", i));
    requests.Write(BlobOf(100'000), [&written](bool ok) {
      EXPECT_TRUE(ok);
      written.Raise("one");
    });
    // The window takes three; then the handler has to read.
    if (i == 4) board().Raise("go");
    EXPECT_TRUE(written.Await("one", i));
  }
  requests.Finish([&written](const absl::StatusOr<Blob>& reply) {
    EXPECT_EQ(reply.status(), absl::OkStatus());
    written.Raise("all");
  });
  EXPECT_TRUE(written.Await("all"));
  expected.insert(expected.end(), {"c receive 1", "c finish OK"});
  EXPECT_EQ(log().Take(), expected);
}

TEST_F(InterceptorTest, RejectAndAnswerCallsWithCallbacks) {
  absl::Status verdict = absl::AbortedError("enough");
  AddClient().start = [&](InterceptedClientCall& call) {
    call.Answer({BlobOf(7).SerializeAsString()});
    return verdict;
  };
  Told told;
  Blob reply;
  ClientContext rejected;
  stub().AsyncUnary(rejected, Blob(), &reply, told.Callback());
  EXPECT_EQ(told.AwaitStatus(), verdict);
  verdict = absl::OkStatus();
  ClientContext answered;
  stub().AsyncUnary(answered, Blob(), &reply, told.Callback());
  EXPECT_EQ(told.AwaitStatus(), verdict);
  EXPECT_EQ(reply.body().size(), 7);
}

TEST_F(InterceptorTest, SeeCoroutinesOnBothSides) {
  Serve(std::make_unique<CoEcho>());
  RecordClient("c");
  const absl::StatusOr<Blob> reply = BlockOn([](Scripted::Stub stub) -> Task<absl::StatusOr<Blob>> {
    co_return co_await stub.CoUnary(BlobOf(3));
  }(stub()));
  ASSERT_EQ(reply.status(), absl::OkStatus());
  EXPECT_THAT(log().Take(), ElementsAre("c start", "c send 1", "c receive 1", "c finish OK"));

  const absl::Status status = BlockOn([](Scripted::Stub stub) -> Task<absl::Status> {
    auto stream = stub.CoBoth();
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(co_await stream.Write(Blob()));
      EXPECT_TRUE((co_await stream.Read()).has_value());
    }
    stream.WritesDone();
    co_return co_await stream.Finish();
  }(stub()));
  EXPECT_EQ(status, absl::OkStatus());
  EXPECT_THAT(log().Take(), ElementsAre("c start", "c send 1", "c receive 1", "c send 2",
                                        "c receive 2", "c finish OK"));
}

TEST_F(InterceptorTest, SeeAHandlerThatIsACoroutine) {
  Serve(std::make_unique<CoEcho>());
  RecordServer("s");
  EXPECT_EQ(stub().Unary(Blob()).status(), absl::OkStatus());
  EXPECT_THAT(log().Take(), ElementsAre("s start", "s receive 1", "s send 1", "s finish OK"));
  auto stream = stub().Both();
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(stream.Write(Blob()));
    EXPECT_TRUE(stream.Read().has_value());
  }
  EXPECT_EQ(stream.Finish(), absl::OkStatus());
  EXPECT_THAT(log().Take(), ElementsAre("s start", "s receive 1", "s send 1", "s receive 2",
                                        "s send 2", "s finish OK"));
}

TEST_F(InterceptorTest, RejectAndAnswerBeforeACoroutine) {
  Serve(std::make_unique<CoEcho>());
  std::atomic<bool> rejects = true;
  AddServer().start = [&](InterceptedServerCall& call) {
    call.Answer({BlobOf(7).SerializeAsString()});
    return rejects ? absl::AbortedError("enough") : absl::OkStatus();
  };
  EXPECT_EQ(stub().Unary(Blob()).status(), absl::AbortedError("enough"));
  EXPECT_EQ(stub().Both().Finish(), absl::AbortedError("enough"));
  rejects = false;
  EXPECT_EQ(stub().Unary(Blob())->body().size(), 7);
  EXPECT_EQ(stub().Both().Read()->body().size(), 7);
}

TEST_F(InterceptorTest, AnAnswerBeforeACoroutineThatDoesNotFitTheWindowIsResourceExhausted) {
  Serve(std::make_unique<CoEcho>());
  std::promise<void> answered;
  auto& server = AddServer();
  server.start = [](InterceptedServerCall& call) {
    call.Answer(std::deque<std::string>(20, BlobOf(100'000).SerializeAsString()));
    return absl::OkStatus();
  };
  server.finish = [&answered](InterceptedServerCall&, absl::Status&) { answered.set_value(); };
  auto call = stub().Both();
  // Who finishes takes in what has come, and makes the window as wide as it was.
  answered.get_future().wait();
  EXPECT_THAT(call.Finish(), HasCode(kResourceExhausted));
}

}  // namespace
}  // namespace nigh::testing
