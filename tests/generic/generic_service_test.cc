// GenericService, called by stubs that know their types.

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/nigh.h"
#include "tests/conformance/board.h"
#include "tests/conformance/call_suite.h"
#include "tests/conformance/scripted.nigh.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

using ::testing::HasSubstr;

class Fallback final : public GenericService {
 public:
  using Handler = std::function<absl::Status(ServerContext&, GenericServerStream&)>;

  explicit Fallback(Handler handler) : handler_(std::move(handler)) {}

 private:
  absl::Status Handle(ServerContext& context, GenericServerStream& stream) override {
    return handler_(context, stream);
  }

  const Handler handler_;
};

// A server with a fallback that does what the test says.
class GenericServiceTest : public ::testing::Test {
 protected:
  void Serve(Fallback::Handler handler) {
    fallback_ = std::make_unique<Fallback>(std::move(handler));
    server_ = std::make_unique<Server>(ServerOptions{.transports = {&TheSubject().transport, 1}});
    server_->RegisterFallback(*fallback_);
    ASSERT_EQ(server_->Listen(FreshAddress().ToString()), absl::OkStatus());
    ASSERT_EQ(server_->Start(), absl::OkStatus());
    channel_ =
        Dial(server_->addresses().front(), {.transports = {&TheSubject().transport, 1}}).value();
  }

  Scripted::Stub stub() const { return Scripted::Stub(channel_); }
  const std::shared_ptr<Channel>& channel() const { return channel_; }
  Board& board() { return board_; }

 private:
  Board board_;
  std::unique_ptr<Fallback> fallback_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<Channel> channel_;
};

absl::Status Echo(ServerContext& /*context*/, GenericServerStream& stream) {
  std::string request;
  while (stream.Read(&request) && stream.Write(request)) {
  }
  return absl::OkStatus();
}

TEST_F(GenericServiceTest, ServesEveryKindOfMethod) {
  Serve(Echo);
  const absl::StatusOr<Blob> reply = stub().Unary(BlobOf(10));
  ASSERT_EQ(reply.status(), absl::OkStatus());
  EXPECT_EQ(reply->body().size(), 10);

  auto replies = stub().Replies(BlobOf(20));
  EXPECT_EQ(replies.Read()->body().size(), 20);
  EXPECT_EQ(replies.Finish(), absl::OkStatus());

  auto requests = stub().Requests();
  EXPECT_TRUE(requests.Write(BlobOf(30)));
  const absl::StatusOr<Blob> counted = requests.Finish();
  ASSERT_EQ(counted.status(), absl::OkStatus());
  EXPECT_EQ(counted->body().size(), 30);

  auto both = stub().Both();
  for (const size_t size : {0, 1, 2}) {
    EXPECT_TRUE(both.Write(BlobOf(size)));
    EXPECT_EQ(both.Read()->body().size(), size);
  }
  EXPECT_EQ(both.Finish(), absl::OkStatus());
}

TEST_F(GenericServiceTest, LearnsTheNameOfTheMethod) {
  Serve([](ServerContext& context, GenericServerStream& /*stream*/) {
    return absl::AbortedError(context.method());
  });
  EXPECT_EQ(stub().Unary(Blob()).status().message(), "/nigh.testing.Scripted/Unary");
  EXPECT_EQ(stub().Both().Finish().message(), "/nigh.testing.Scripted/Both");
  EXPECT_EQ(GenericStub(channel()).Call("/no.such.Service/Method", "").status().message(),
            "/no.such.Service/Method");
}

TEST_F(GenericServiceTest, TellsOneRequestFromAStreamOfThem) {
  Serve([](ServerContext& /*context*/, GenericServerStream& stream) {
    const std::optional<std::string> sole = stream.SoleRequest();
    return stream.Write(sole.has_value() ? *sole : "") ? absl::OkStatus()
                                                       : absl::AbortedError("nobody listens");
  });
  EXPECT_EQ(stub().Unary(BlobOf(10))->body().size(), 10);
  EXPECT_EQ(stub().Replies(BlobOf(20)).Read()->body().size(), 20);
  EXPECT_EQ(stub().Requests().Finish()->body().size(), 0);
  EXPECT_EQ(stub().Both().Read()->body().size(), 0);
}

TEST_F(GenericServiceTest, TooManyOrTooFewRepliesAreUnimplementedToTheClient) {
  Serve([](ServerContext& context, GenericServerStream& stream) {
    const int replies = context.client_metadata().Get("replies") == "2" ? 2 : 0;
    for (int i = 0; i < replies; ++i) stream.Write("");
    return absl::OkStatus();
  });
  EXPECT_THAT(stub().Unary(Blob()).status(), HasCode(kUnimplemented));
  ClientContext context;
  context.AddMetadata("replies", "2");
  Blob reply;
  EXPECT_THAT(stub().Unary(context, Blob(), &reply), HasCode(kUnimplemented));
}

TEST_F(GenericServiceTest, CarriesMetadataStatusAndDeadline) {
  Serve([](ServerContext& context, GenericServerStream& /*stream*/) {
    EXPECT_FALSE(context.deadline().is_infinite());
    EXPECT_EQ(context.client_metadata().Get("question"), "why");
    context.AddInitialMetadata("early", "1");
    context.AddTrailingMetadata("late", "2");
    return absl::AbortedError("enough");
  });
  ClientContext context;
  context.set_timeout(absl::Hours(1));
  context.AddMetadata("question", "why");
  Blob reply;
  EXPECT_EQ(stub().Unary(context, Blob(), &reply), absl::AbortedError("enough"));
  EXPECT_EQ(context.initial_metadata().Get("early"), "1");
  EXPECT_EQ(context.trailing_metadata().Get("late"), "2");
}

TEST_F(GenericServiceTest, SeesCancellation) {
  Serve([this](ServerContext& context, GenericServerStream& stream) {
    board().Raise("runs");
    EXPECT_EQ(stream.Read(), std::nullopt);
    EXPECT_TRUE(context.IsCancelled());
    EXPECT_FALSE(stream.Write(""));
    board().Raise("cancelled");
    return absl::OkStatus();
  });
  auto both = stub().Both();
  EXPECT_TRUE(board().Await("runs"));
  both.TryCancel();
  EXPECT_TRUE(board().Await("cancelled"));
  EXPECT_THAT(both.Finish(), HasCode(kCancelled));
}

TEST_F(GenericServiceTest, AnExceptionIsUnknown) {
  Serve([](ServerContext& /*context*/, GenericServerStream& /*stream*/) -> absl::Status {
    throw std::runtime_error("what a surprise");
  });
  const absl::Status status = stub().Unary(Blob()).status();
  EXPECT_THAT(status, HasCode(kUnknown));
  EXPECT_THAT(status.message(), HasSubstr("what a surprise"));
}

TEST_F(GenericServiceTest, FinishEndsTheCallAndWakesAReader) {
  Serve([this](ServerContext& context, GenericServerStream& stream) {
    std::thread reader([&] {
      board().Raise("reads");
      EXPECT_EQ(stream.Read(), std::nullopt);
      EXPECT_FALSE(context.IsCancelled());
    });
    EXPECT_TRUE(board().Await("reads"));
    stream.Finish(absl::AbortedError("enough"));
    reader.join();
    EXPECT_FALSE(stream.Write(""));
    return absl::OkStatus();
  });
  EXPECT_EQ(stub().Both().Finish(), absl::AbortedError("enough"));
}

// Neither does a handler that has finished its call count against the limit, nor does it count off
// another one when it returns.
TEST_F(GenericServiceTest, ACallThatIsFinishedEarlyIsCountedOnce) {
  Serve([](ServerContext&, GenericServerStream& stream) {
    stream.Finish(absl::AbortedError("first"));
    stream.Finish(absl::AbortedError("second"));
    return absl::OkStatus();
  });
  for (int call = 0; call < 3; ++call) {
    EXPECT_EQ(stub().Both().Finish(), absl::AbortedError("first"));
  }
}

TEST_F(GenericServiceTest, ServicesThatAreRegisteredComeFirst) {
  Board board;
  ScriptedService scripted(board);
  Fallback fallback([](ServerContext& /*context*/, GenericServerStream& /*stream*/) {
    return absl::AbortedError("the fallback");
  });
  Server server({.transports = {&TheSubject().transport, 1}});
  server.RegisterFallback(fallback);
  server.Register(scripted);
  ASSERT_EQ(server.Listen(FreshAddress().ToString()), absl::OkStatus());
  ASSERT_EQ(server.Start(), absl::OkStatus());
  const GenericStub stub(
      *Dial(server.addresses().front(), {.transports = {&TheSubject().transport, 1}}));
  EXPECT_EQ(stub.Call("/nigh.testing.Scripted/Unary", "").status(), absl::OkStatus());
  EXPECT_EQ(stub.Call("/nigh.testing.Scripted/Fly", "").status(),
            absl::AbortedError("the fallback"));
}

TEST_F(GenericServiceTest, ASecondFallbackFailsTheStart) {
  Fallback one(Echo);
  Fallback two(Echo);
  Server server;
  server.RegisterFallback(one);
  server.RegisterFallback(two);
  const absl::Status status = server.Start();
  EXPECT_THAT(status, HasCode(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(status.message(), HasSubstr("fallback"));
}

}  // namespace
}  // namespace nigh::testing
