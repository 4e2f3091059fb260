// Calls that do no harm are made once more when a server dies over them, within a budget.

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/interceptor.h"
#include "nigh/server.h"
#include "nigh/task.h"
#include "tests/conformance/child.h"
#include "tests/contract/subject.h"
#include "tests/processes/host.h"

namespace nigh::testing {
namespace {

std::unique_ptr<Child> StartServer(const std::string& address) {
  return std::make_unique<Child>(std::vector<std::string>{"--serve=" + address});
}

// What interceptors see of a call's end.
class Counting final : public ClientInterceptor {
 public:
  void OnFinish(InterceptedClientCall& call, absl::Status&) override {
    attempts = call.context().attempts();
  }
  std::atomic<int> attempts = 0;
};

// A server that is killed again and again under calls that may be repeated.
TEST(RetryTest, CallsThatDoNoHarmOutliveTheirServers) {
  constexpr int kDeaths = 5;
  std::unique_ptr<Child> server = StartServer(FreshAddress().ToString());
  const std::string address = server->Hear();
  ChannelOptions options = OptionsOfChannel();
  options.retry.attempts = 20;
  const std::shared_ptr<Channel> channel = Dial(address, options).value();
  std::atomic<bool> over = false;
  std::atomic<int> calls = 0;
  std::atomic<int> repeated = 0;
  std::thread caller([&] {
    const Host::Stub stub(channel);
    Number request;
    Number reply;
    while (!over) {
      ClientContext context({.timeout = absl::Seconds(60), .wait_for_ready = true});
      EXPECT_EQ(stub.Query(context, request, &reply), absl::OkStatus());
      if (context.attempts() > 1) ++repeated;
      ++calls;
    }
  });
  for (int i = 0; i < kDeaths; ++i) {
    // The budget is full again.
    for (const int before = calls; calls < before + 200;) std::this_thread::yield();
    server->Signal(SIGKILL);
    (void)server->Wait();
    server = StartServer(address);
    ASSERT_EQ(server->Hear(), address);
  }
  for (const int before = calls; calls < before + 10;) std::this_thread::yield();
  over = true;
  caller.join();
  EXPECT_GT(repeated, 0);
}

// A handler that fails as if its server went away.
class Failing final : public Host::Service {
 public:
  absl::Status Query(ServerContext&, const Number&, Number*) override { return Fail(); }
  absl::Status Count(ServerContext&, const Number&, Number*) override { return Fail(); }
  absl::Status QueryAll(ServerContext&, ServerStream<Number, Number>& stream) override {
    std::vector<Number> numbers;
    while (std::optional<Number> number = stream.Read()) numbers.push_back(*std::move(number));
    if (replies_first) stream.Write(Number());
    if (absl::Status status = Fail(); !status.ok()) return status;
    for (const Number& number : numbers) stream.Write(number);
    return absl::OkStatus();
  }
  absl::Status Fail() {
    ++calls;
    return failures-- > 0 ? absl::UnavailableError("not now") : absl::OkStatus();
  }
  std::atomic<int> calls = 0;
  std::atomic<int> failures = 0;
  std::atomic<bool> replies_first = false;  // to QueryAll
};

class FailingServer : public ::testing::Test {
 protected:
  FailingServer() {
    server_.Register(service_);
    EXPECT_EQ(server_.Listen(FreshAddress().ToString()), absl::OkStatus());
    EXPECT_EQ(server_.Start(), absl::OkStatus());
  }
  std::shared_ptr<Channel> NewChannel(const std::shared_ptr<ClientInterceptor>& interceptor = {}) {
    ChannelOptions options = OptionsOfChannel();
    options.retry = {.attempts = 3,
                     .min_backoff = absl::Milliseconds(1),
                     .max_backoff = absl::Milliseconds(1),
                     .codes = {absl::StatusCode::kUnavailable}};
    if (interceptor != nullptr) options.interceptors = {interceptor};
    return Dial(server_.addresses().front(), options).value();
  }

  Failing service_;
  Server server_{OptionsOfServer()};
};

// How a unary call is waited for.
using Query = absl::Status (*)(const Host::Stub& stub, ClientContext& context);

absl::Status ByThread(const Host::Stub& stub, ClientContext& context) {
  Number number;
  return stub.Query(context, number, &number);
}

absl::Status ByCallback(const Host::Stub& stub, ClientContext& context) {
  Number number;
  std::promise<absl::Status> end;
  stub.AsyncQuery(context, Number(), &number,
                  [&](const absl::Status& status) { end.set_value(status); });
  return end.get_future().get();
}

Task<absl::Status> Querying(const Host::Stub& stub, ClientContext& context) {
  const absl::StatusOr<Number> number = co_await stub.CoQuery(context, Number());
  co_return number.status();
}
absl::Status ByCoroutine(const Host::Stub& stub, ClientContext& context) {
  return BlockOn(Querying(stub, context));
}

TEST_F(FailingServer, IsAskedAgainWhereThatDoesNoHarm) {
  const auto counting = std::make_shared<Counting>();
  for (const Query query : {&ByThread, &ByCallback, &ByCoroutine}) {
    for (const bool intercepted : {false, true}) {
      const std::shared_ptr<Channel> channel = NewChannel(intercepted ? counting : nullptr);
      const Host::Stub stub(channel);
      service_.failures = 2;
      service_.calls = 0;
      ClientContext context;
      EXPECT_EQ(query(stub, context), absl::OkStatus());
      EXPECT_EQ(service_.calls, 3);
      EXPECT_EQ(context.attempts(), 3);
      if (intercepted) {
        EXPECT_EQ(counting->attempts, 3);
      }
      // As often as the policy says.
      service_.failures = 3;
      service_.calls = 0;
      ClientContext more;
      EXPECT_TRUE(absl::IsUnavailable(query(stub, more)));
      EXPECT_EQ(service_.calls, 3);
      // Not where nobody has said that it does no harm.
      service_.failures = 1;
      service_.calls = 0;
      Number number;
      EXPECT_TRUE(absl::IsUnavailable(stub.Count(number).status()));
      EXPECT_EQ(service_.calls, 1);
      service_.failures = 0;
    }
  }
}

// A stream is sent again as it was sent, as long as nothing of the reply has come.
TEST_F(FailingServer, GetsAllOfAStreamAgain) {
  const Host::Stub stub(NewChannel());
  for (const bool replies_first : {false, true}) {
    service_.replies_first = replies_first;
    service_.failures = 2;
    service_.calls = 0;
    ClientContext context;
    auto stream = stub.QueryAll(context);
    Number number;
    for (int i = 0; i < 3; ++i) {
      number.set_number(i);
      EXPECT_TRUE(stream.Write(number));
    }
    EXPECT_TRUE(stream.WritesDone());
    std::vector<uint64_t> replies;
    while (stream.Read(&number)) replies.push_back(number.number());
    if (replies_first) {
      EXPECT_TRUE(absl::IsUnavailable(stream.Finish()));
      EXPECT_EQ(service_.calls, 1);
      EXPECT_EQ(replies.size(), 1);
    } else {
      EXPECT_EQ(stream.Finish(), absl::OkStatus());
      EXPECT_EQ(service_.calls, 3);
      EXPECT_EQ(replies, (std::vector<uint64_t>{0, 1, 2}));
    }
  }
}

// Rejects the second message of a call.
class Rejecting final : public ClientInterceptor {
 public:
  absl::Status OnSend(InterceptedClientCall& call, const MessageView&) override {
    return call.sent() == 2 ? absl::AbortedError("enough") : absl::OkStatus();
  }
};

// A call that waits for a server to come back, which none does.
TEST(RetryTest, ACallThatWaitsForItsNextServerEndsWhenItIsRejected) {
  const std::unique_ptr<Child> server = StartServer(FreshAddress().ToString());
  ChannelOptions options = OptionsOfChannel();
  options.interceptors = {std::make_shared<Rejecting>()};
  const std::shared_ptr<Channel> channel = Dial(server->Hear(), options).value();
  ClientContext context({.wait_for_ready = true});
  auto stream = Host::Stub(channel).QueryAll(context);
  EXPECT_TRUE(stream.Write(Number()));
  server->Signal(SIGKILL);
  (void)server->Wait();
  EXPECT_FALSE(stream.Write(Number()));
  EXPECT_TRUE(absl::IsAborted(stream.Finish()));
}

// What a server answers is an answer, unless the program says otherwise.
TEST_F(FailingServer, IsBelievedByDefault) {
  const std::shared_ptr<Channel> channel =
      Dial(server_.addresses().front(), OptionsOfChannel()).value();
  service_.failures = 1;
  Number number;
  EXPECT_TRUE(absl::IsUnavailable(Host::Stub(channel).Query(number).status()));
  EXPECT_EQ(service_.calls, 1);
}

TEST_F(FailingServer, IsNotFlooded) {
  const std::shared_ptr<Channel> channel = NewChannel();
  service_.failures = 1'000'000;
  constexpr int kCalls = 100;
  Number number;
  for (int i = 0; i < kCalls; ++i) (void)Host::Stub(channel).Query(number);
  // Half of ten tokens.
  EXPECT_LE(service_.calls, kCalls + 5);
  EXPECT_GT(service_.calls, kCalls);
  // What goes well pays back.
  service_.failures = 0;
  for (int i = 0; i < kCalls; ++i) ASSERT_TRUE(Host::Stub(channel).Query(number).ok());
  service_.failures = 1;
  service_.calls = 0;
  EXPECT_TRUE(Host::Stub(channel).Query(number).ok());
  EXPECT_EQ(service_.calls, 2);
}

TEST_F(FailingServer, ADeadlineIsNotOutlived) {
  ChannelOptions options = OptionsOfChannel();
  options.retry.min_backoff = options.retry.max_backoff = absl::Minutes(10);
  options.retry.codes = {absl::StatusCode::kUnavailable};
  const std::shared_ptr<Channel> channel = Dial(server_.addresses().front(), options).value();
  service_.failures = 1;
  Number number;
  // A pause that it would not live to see the end of is none.
  EXPECT_TRUE(absl::IsUnavailable(
      Host::Stub(channel).Query(number, {.timeout = absl::Minutes(5)}).status()));
  service_.failures = 1;
  ClientContext context;
  std::thread canceller([&] {
    while (service_.failures > 0) std::this_thread::yield();
    context.TryCancel();
  });
  // The caller lets go in the midst of the pause.
  EXPECT_FALSE(Host::Stub(channel).Query(context, number, &number).ok());
  canceller.join();
  // The same of a call that no thread waits for.
  service_.failures = 1;
  ClientContext limited({.timeout = absl::Minutes(5)});
  EXPECT_TRUE(absl::IsUnavailable(ByCallback(Host::Stub(channel), limited)));
  service_.failures = 1;
  ClientContext given_up;
  std::promise<absl::Status> end;
  Host::Stub(channel).AsyncQuery(given_up, number, &number,
                                 [&](const absl::Status& status) { end.set_value(status); });
  while (service_.failures > 0) std::this_thread::yield();
  given_up.TryCancel();
  EXPECT_FALSE(end.get_future().get().ok());
}

}  // namespace
}  // namespace nigh::testing
