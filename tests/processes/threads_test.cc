// Where threads run out: those that a server may have, and those that the system gives.

#include <gtest/gtest.h>
#include <pthread.h>

#include <cstddef>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/event_loop.h"
#include "nigh/options.h"
#include "nigh/server.h"
#include "nigh/server_stream.h"
#include "tests/processes/host.nigh.h"

namespace nigh::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr CallOptions kOptions = {.timeout = kPatience};

// While it lives, the system has no thread to give: each would need more memory for its stack than
// there are addresses.
class NoMoreThreads {
 public:
  NoMoreThreads() {
    ::pthread_getattr_default_np(&before_);
    pthread_attr_t huge;
    ::pthread_attr_init(&huge);
    constexpr size_t kAllAddresses = size_t{1} << 47;
    ::pthread_attr_setstacksize(&huge, kAllAddresses);
    ::pthread_setattr_default_np(&huge);
    ::pthread_attr_destroy(&huge);
  }
  ~NoMoreThreads() {
    ::pthread_setattr_default_np(&before_);
    ::pthread_attr_destroy(&before_);
  }
  NoMoreThreads(const NoMoreThreads&) = delete;
  NoMoreThreads& operator=(const NoMoreThreads&) = delete;

 private:
  pthread_attr_t before_;
};

class HeldService final : public Host::Service {
  absl::Status Echo(ServerContext&, const Text& request, Text* reply) override {
    // Long enough for the poller's role to be taken from this thread, if there is another.
    if (request.text() == "slow") absl::SleepFor(absl::Milliseconds(20));
    *reply = request;
    return absl::OkStatus();
  }
  absl::Status EchoInPool(ServerContext&, const Text& request, Text* reply) override {
    *reply = request;
    return absl::OkStatus();
  }
  absl::Status Chat(ServerContext&, ServerStream<Text, Text>& stream) override {
    while (const std::optional<Text> text = stream.Read()) {
      if (!stream.Write(*text)) break;
    }
    return absl::OkStatus();
  }
};

class ThreadsTest : public ::testing::Test {
 protected:
  using Stream = decltype(std::declval<Host::Stub>().Chat());

  void Serve(ServerOptions options) {
    options.pollers = 1;
    options.on_error = [this](const absl::Status& error) {
      const std::scoped_lock lock(mutex_);
      errors_.push_back(error);
    };
    server_ = std::make_unique<Server>(options);
    server_->Register(service_);
    ASSERT_EQ(server_->Listen("inproc:threads"), absl::OkStatus());
    ASSERT_EQ(server_->Start(), absl::OkStatus());
    channel_ = Dial("inproc:threads").value();
    ASSERT_EQ(Echo("").code(), absl::StatusCode::kOk);
  }
  ~ThreadsTest() override {
    streams_.clear();
    channel_ = nullptr;
  }

  Host::Stub stub() { return Host::Stub(channel_); }
  absl::Status Echo(const std::string& text) {
    Text request;
    request.set_text(text);
    return stub().Echo(request, kOptions).status();
  }
  absl::Status EchoInPool() { return stub().EchoInPool(Text(), kOptions).status(); }
  // Opens a stream, which holds a thread if there is one for it.
  void Hold() {
    // A stream cannot be moved.
    std::unique_ptr<Stream> stream(new Stream(stub().Chat()));
    (void)stream->Write(Text());
    if (stream->Read().has_value()) streams_.push_back(std::move(stream));
  }
  // Holds all threads, and returns how `call` fails then. There may be more than the limit: a busy
  // system makes any handler overstay, and another thread then polls.
  absl::Status Exhaust(absl::FunctionRef<absl::Status()> call) {
    for (;;) {
      absl::Status status = call();
      if (!status.ok()) return status;
      Hold();
    }
  }
  void LetGo() {
    streams_.back()->WritesDone();
    ASSERT_EQ(streams_.back()->Finish(), absl::OkStatus());
    streams_.pop_back();
  }
  std::vector<absl::Status> errors() {
    const std::scoped_lock lock(mutex_);
    return errors_;
  }

  HeldService service_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<Channel> channel_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::mutex mutex_;
  std::vector<absl::Status> errors_;
};

void ExpectExhausted(const absl::Status& status, absl::string_view remedy) {
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), remedy)) << status;
}

TEST_F(ThreadsTest, ACallThatNoThreadIsFreeForIsRefused) {
  Serve({.max_threads = 4, .thread_timeout = absl::Milliseconds(30)});
  const absl::Status refused = Exhaust([this] { return EchoInPool(); });
  ExpectExhausted(refused, "ServerOptions::max_threads");
  EXPECT_TRUE(absl::StrContains(refused.message(), "EchoInPool: no thread was free")) << refused;
  EXPECT_FALSE(streams_.empty());
  ASSERT_FALSE(errors().empty());
  ExpectExhausted(errors().front(), "ServerOptions::max_threads");
  LetGo();
  // The thread may take a moment to come back.
  absl::Status served = EchoInPool();
  while (absl::IsResourceExhausted(served)) served = EchoInPool();
  EXPECT_EQ(served, absl::OkStatus());
}

TEST_F(ThreadsTest, AStreamIsRefusedLikewise) {
  Serve({.max_threads = 4, .thread_timeout = absl::Milliseconds(30)});
  const absl::Status refused = Exhaust([this] {
    auto stream = stub().Chat();
    stream.WritesDone();
    return stream.Finish();
  });
  ExpectExhausted(refused, "ServerOptions::max_threads");
}

TEST_F(ThreadsTest, AMethodThatHasTurnedOutToBeSlowIsRefusedLikewise) {
  Serve({.max_threads = 4, .thread_timeout = absl::Milliseconds(30)});
  ExpectExhausted(Exhaust([this] { return Echo("slow"); }), "ServerOptions::max_threads");
}

TEST_F(ThreadsTest, ACallGetsAThreadThatComesFree) {
  Serve({.max_threads = 4, .thread_timeout = kPatience});
  for (int i = 0; i < 3; ++i) Hold();
  std::future<absl::Status> waits = std::async(std::launch::async, [this] { return EchoInPool(); });
  LetGo();
  EXPECT_EQ(waits.get(), absl::OkStatus());
  EXPECT_TRUE(errors().empty());
}

TEST_F(ThreadsTest, ItsServerIsToldNowAndThenOnly) {
  Serve({.max_threads = 4, .thread_timeout = absl::Milliseconds(1)});
  const absl::Time begin = absl::Now();
  for (int i = 0; i < 50; ++i) {
    ExpectExhausted(Exhaust([this] { return EchoInPool(); }), "ServerOptions::max_threads");
  }
  const auto seconds = static_cast<size_t>(absl::ToInt64Seconds(absl::Now() - begin));
  EXPECT_LE(errors().size(), seconds + 1);
  EXPECT_GE(errors().size(), 1);
}

TEST_F(ThreadsTest, WhereTheSystemHasNoThreadThoseThatThereAreDoTheWork) {
  Serve({.thread_timeout = absl::Milliseconds(30)});
  {
    const NoMoreThreads none;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(Echo("slow"), absl::OkStatus());
    ExpectExhausted(Exhaust([this] { return EchoInPool(); }), "ulimit -u");
    ASSERT_FALSE(errors().empty());
    ExpectExhausted(errors().front(), "ulimit -u");
    EXPECT_EQ(Echo(""), absl::OkStatus());
  }
  EXPECT_EQ(EchoInPool(), absl::OkStatus());
}

TEST(ThreadsOfTheSystem, AServerThatGetsNoneDoesNotStart) {
  HeldService service;
  Server server;
  server.Register(service);
  ASSERT_EQ(server.Listen("inproc:none"), absl::OkStatus());
  const NoMoreThreads none;
  ExpectExhausted(server.Start(), "ulimit -u");
}

TEST_F(ThreadsTest, ACallThatNoThreadWaitsForFailsWithoutOne) {
  Serve({});
  std::optional<absl::Status> status;
  Text reply;
  {
    const NoMoreThreads none;
    ClientContext context;
    stub().AsyncEcho(context, Text(), &reply, [&](const absl::Status& end) { status = end; });
    ASSERT_TRUE(status.has_value());
    ExpectExhausted(*status, "ChannelOptions::event_loop");
    EXPECT_EQ(Echo(""), absl::OkStatus());
  }
  // There is one again.
  std::promise<absl::Status> end;
  ClientContext context;
  stub().AsyncEcho(context, Text(), &reply, [&](const absl::Status& now) { end.set_value(now); });
  EXPECT_EQ(end.get_future().get(), absl::OkStatus());
}

TEST_F(ThreadsTest, AnEventLoopOfTheProgramsNeedsNoThread) {
  Serve({});
  const NoMoreThreads none;
  const auto loop = std::make_shared<EventLoop>();
  const auto channel = Dial("inproc:threads", {.event_loop = loop}).value();
  std::optional<absl::Status> status;
  ClientContext context;
  Text reply;
  Host::Stub(channel).AsyncEcho(context, Text(), &reply,
                                [&](const absl::Status& end) { status = end; });
  while (!status.has_value()) loop->Poll();
  EXPECT_EQ(*status, absl::OkStatus());
}

}  // namespace
}  // namespace nigh::testing
