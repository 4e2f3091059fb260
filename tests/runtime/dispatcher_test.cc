// Which thread runs a handler: the test's own thread is the poller.

#include "nigh/runtime/server/dispatcher.h"
#include "nigh/runtime/server/call_rules.h"

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "nigh/generic_service.h"
#include "nigh/method.h"
#include "nigh/options.h"
#include "nigh/runtime/loop/pollable.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/server/server_session.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/server_context.h"
#include "nigh/server_stream.h"
#include "nigh/service.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/inproc/inproc.h"
#include "tests/contract/frames.h"
#include "tests/hostile/victim.pb.h"

namespace nigh {
namespace {

using hostile::Note;

constexpr Method kUsual{"/test.Test/Usual", MethodKind::kUnary};
constexpr Method kInline{"/test.Test/Inline", MethodKind::kUnary, Dispatch::kInline};
constexpr Method kPool{"/test.Test/Pool", MethodKind::kUnary, Dispatch::kPool};
constexpr Method kStream{"/test.Test/Stream", MethodKind::kServerStreaming};

MethodHandler HandlerOf(const Method& method) {
  return {.method = &method,
          .service = nullptr,
          .new_request = nullptr,
          .new_reply = nullptr,
          .run = nullptr,
          .co_run = nullptr};
}

// Tells in which thread its handlers run, and does there what the test says.
class Where : public Service {
 public:
  explicit Where(bool streams = true) {
    Handle<&Where::Unary>(kUsual);
    Handle<&Where::Unary>(kInline);
    Handle<&Where::Unary>(kPool);
    if (streams) Handle<&Where::Stream>(kStream);
  }

  absl::Status Unary(ServerContext&, const Note&, Note*) {
    if (handle) handle();
    ran.set_value(std::this_thread::get_id());
    return absl::OkStatus();
  }
  absl::Status Stream(ServerContext&, const Note&, ServerWriter<Note>&) {
    ran.set_value(std::this_thread::get_id());
    return absl::OkStatus();
  }

  std::function<void()> handle;
  std::promise<std::thread::id> ran;
};

class DispatcherTest : public ::testing::Test {
 protected:
  explicit DispatcherTest(std::optional<int> threads = 4, bool streams = true)
      : service_(streams), dispatcher_(threads, nullptr) {
    EXPECT_EQ(dispatcher_.Register(service_), absl::OkStatus());
    const std::unique_ptr<Listener> listener =
        ListenInproc(testing::MakeAddress("inproc:dispatcher")).value();
    testing::ConnectionPair pair = testing::Connect(kInprocTransport, *listener).value();
    client_ = std::move(pair.client);
    session_ = std::make_shared<ServerSession>(
        std::move(pair.server), kInprocTransport.reach, poller_, dispatcher_, rules_, Limits(),
        std::make_shared<Account>(Account::Limits{
            .whose = "this connection", .bytes = size_t{1} << 30, .threads = 1000}));
    session_->Open();
    std::string hello(kHelloSize, '\0');
    EncodeHello({.window = 1 << 16, .max_message = 1 << 16, .max_metadata = 1024, .max_calls = 9},
                reinterpret_cast<std::byte*>(hello.data()));
    Send({.kind = FrameKind::kHello}, hello);
    EXPECT_EQ(testing::Receive(*client_).value().header.kind, FrameKind::kHello);
    uint16_t id = 0;
    for (const Method* method : {&kUsual, &kInline, &kPool, &kStream}) {
      Send({.kind = FrameKind::kMethod, .method = id++}, method->name);
    }
  }
  ~DispatcherTest() override {
    session_->Close();
    dispatcher_.pool().Join();
  }

  void Send(const FrameHeader& header, absl::string_view payload) {
    ASSERT_EQ(testing::Send(*client_, header, payload), absl::OkStatus());
  }

  // Calls the method of that number and polls; whether its handler ran in this thread.
  bool RunsHere(uint16_t method) {
    service_.ran = {};
    Send({.kind = FrameKind::kRequest, .flags = kMessage | kEnd, .method = method}, "");
    turn_ = session_->TakeTurn(mark_);
    const bool here = service_.ran.get_future().get() == std::this_thread::get_id();
    EXPECT_EQ(testing::Receive(*client_).value().header.kind, FrameKind::kResponse);
    return here;
  }

  Where service_;
  Poller poller_{WaitPolicy()};
  Dispatcher dispatcher_;
  CallRules rules_{{}, nullptr};
  InlineMark mark_;
  std::unique_ptr<Connection> client_;
  std::shared_ptr<ServerSession> session_;
  Pollable::Turn turn_ = Pollable::Turn::kNothing;
};

TEST_F(DispatcherTest, AUnaryHandlerRunsWhereItsRequestWasRead) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(RunsHere(0));
  EXPECT_EQ(turn_, Pollable::Turn::kDrained);
}

TEST_F(DispatcherTest, AStreamsHandlerHasAThread) { EXPECT_FALSE(RunsHere(3)); }

TEST_F(DispatcherTest, AMethodMaySayWhereItRuns) {
  EXPECT_TRUE(RunsHere(1));
  EXPECT_FALSE(RunsHere(2));
}

TEST_F(DispatcherTest, AHandlerThatOverstaysLosesTheRoleAndRunsElsewhereNext) {
  service_.handle = [&] { EXPECT_TRUE(mark_.Take(mark_.value())); };
  EXPECT_TRUE(RunsHere(0));
  EXPECT_EQ(turn_, Pollable::Turn::kRoleLost);
  service_.handle = nullptr;
  EXPECT_FALSE(RunsHere(0));
}

TEST_F(DispatcherTest, AHandlerThatIsToRunHereDoesEvenIfItOverstays) {
  service_.handle = [&] { (void)mark_.Take(mark_.value()); };
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(RunsHere(1));
}

TEST_F(DispatcherTest, AMethodThatIsQuickAgainComesBack) {
  dispatcher_.Find(kUsual.name)->pace(/*is_long=*/false).Learn(INT64_MAX);
  int elsewhere = 0;
  while (!RunsHere(0)) ++elsewhere;
  // At least so many quick runs; a slow machine may see a slow one among them.
  EXPECT_GE(elsewhere, 16);
}

TEST(Pace, TimesOneRunInSixteen) {
  Pace pace;
  int samples = 0;
  for (int run = 0; run < 160; ++run) samples += pace.TakesSample() ? 1 : 0;
  EXPECT_EQ(samples, 10);
}

TEST(Pace, OneSlowRunMakesItSlowAndSixteenQuickOnesDoNot) {
  Pace pace;
  pace.Learn(1000);
  EXPECT_FALSE(pace.IsSlow());
  pace.Learn(1'000'000);
  for (int quick = 0; quick < 16; ++quick) {
    EXPECT_TRUE(pace.IsSlow());
    pace.Learn(1000);
  }
  EXPECT_FALSE(pace.IsSlow());
}

TEST(Pace, FourQuickRunsProveItAndOneSlowOneDoesNot) {
  Pace pace;
  for (int quick = 0; quick < 4; ++quick) {
    EXPECT_FALSE(pace.IsQuick());
    pace.Learn(1000);
  }
  EXPECT_TRUE(pace.IsQuick());
  pace.Learn(1'000'000);
  EXPECT_FALSE(pace.IsQuick());
}

// A file that is uploaded does not make everybody's short calls run elsewhere.
TEST(RegisteredMethod, LongRequestsHaveAPaceOfTheirOwn) {
  RegisteredMethod method(HandlerOf(kUsual));
  method.pace(/*is_long=*/true).Learn(INT64_MAX);
  EXPECT_TRUE(method.pace(/*is_long=*/true).IsSlow());
  EXPECT_FALSE(method.pace(/*is_long=*/false).IsSlow());
}

// All on the poller.
class WithoutPool : public DispatcherTest {
 protected:
  WithoutPool() : DispatcherTest(std::nullopt, /*streams=*/false) {}
};

TEST_F(WithoutPool, EveryHandlerRunsHere) {
  dispatcher_.Find(kUsual.name)->pace(/*is_long=*/false).Learn(INT64_MAX);
  for (uint16_t method : {0, 1, 2}) EXPECT_TRUE(RunsHere(method));
}

TEST(Dispatcher, RefusesAStreamsHandlerWithoutAPool) {
  Dispatcher dispatcher(std::nullopt, nullptr);
  Where service;
  const absl::Status status = dispatcher.Register(service);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_NE(status.message().find(kStream.name), absl::string_view::npos) << status;
}

TEST(Dispatcher, RefusesAMethodThatIsServedAlready) {
  Dispatcher dispatcher(1, nullptr);
  Where service;
  Where twin;
  EXPECT_EQ(dispatcher.Register(service), absl::OkStatus());
  EXPECT_EQ(dispatcher.Register(twin).code(), absl::StatusCode::kAlreadyExists);
}

TEST(Dispatcher, FindsMethodsByTheirNamesAndFallsBack) {
  class Any final : public GenericService {
    absl::Status Handle(ServerContext&, GenericServerStream&) override { return absl::OkStatus(); }
  };
  Dispatcher dispatcher(1, nullptr);
  Where service;
  Any any;
  EXPECT_EQ(dispatcher.Register(service), absl::OkStatus());
  EXPECT_EQ(&dispatcher.Find(kUsual.name)->method(), &kUsual);
  EXPECT_EQ(dispatcher.Find("/test.Test/Other"), nullptr);
  EXPECT_EQ(dispatcher.Fallback("/test.Test/Other"), nullptr);
  EXPECT_NE(dispatcher.NoSuchMethod("/test.Test/Other").message().find("no such method"),
            absl::string_view::npos);
  EXPECT_NE(dispatcher.NoSuchMethod("/other.Test/Other").message().find("no such service"),
            absl::string_view::npos);

  EXPECT_EQ(dispatcher.RegisterFallback(any), absl::OkStatus());
  EXPECT_NE(dispatcher.Fallback("/test.Test/Other"), nullptr);
  EXPECT_EQ(dispatcher.Fallback("no method"), nullptr);
  EXPECT_EQ(dispatcher.RegisterFallback(any).code(), absl::StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace nigh
