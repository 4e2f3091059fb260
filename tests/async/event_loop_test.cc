// Channels and servers that the program itself pumps.

#include <poll.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "nigh/event_loop.h"
#include "nigh/task.h"
#include "tests/async/echo.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

class OwnLoopClient : public ::testing::Test {
 protected:
  OwnLoopClient()
      : server_(std::in_place, service_, FreshAddress().ToString()),
        channel_(server_->Dial({.event_loop = loop_})),
        stub_(channel_) {}

  void PumpUntil(const bool& done) {
    while (!done) loop_->WaitAndPoll();
  }

  std::shared_ptr<EventLoop> loop_ = std::make_shared<EventLoop>();
  EchoService service_;
  std::optional<EchoServer> server_;
  std::shared_ptr<Channel> channel_;
  Echo::Stub stub_;
};

TEST_F(OwnLoopClient, CallbacksRunInPoll) {
  ClientContext context;
  Text reply;
  bool done = false;
  stub_.AsyncSay(context, TextOf("hello"), &reply,
                 [&, here = std::this_thread::get_id()](const absl::Status& status) {
                   EXPECT_EQ(status, absl::OkStatus());
                   EXPECT_EQ(std::this_thread::get_id(), here);
                   done = true;
                 });
  EXPECT_FALSE(done);
  PumpUntil(done);
  EXPECT_EQ(reply.text(), "hello");
}

TEST_F(OwnLoopClient, PollReturnsAtOnceAndTheDescriptorIsQuietWhenNothingHappens) {
  pollfd wait{.fd = loop_->fd(), .events = POLLIN, .revents = 0};
  loop_->Poll();
  EXPECT_EQ(::poll(&wait, 1, 0), 0);
  ClientContext context;
  Text reply;
  bool done = false;
  stub_.AsyncHang(context, TextOf(""), &reply, [&](const absl::Status&) { done = true; });
  while (service_.hanging.times() == 0) {
    if (::poll(&wait, 1, 1) > 0) loop_->Poll();
  }
  while (::poll(&wait, 1, 0) > 0) loop_->Poll();
  EXPECT_FALSE(done);
  context.TryCancel();
  EXPECT_EQ(::poll(&wait, 1, -1), 1);
  PumpUntil(done);
}

TEST_F(OwnLoopClient, TimersAreOnTheDescriptor) {
  ClientContext context;
  context.set_timeout(absl::Milliseconds(20));
  Text reply;
  bool done = false;
  stub_.AsyncHang(context, TextOf(""), &reply, [&](const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
    done = true;
  });
  PumpUntil(done);
}

TEST_F(OwnLoopClient, SynchronousCallPumpsItself) {
  // Also when the loop has begun to connect, and when another call is out.
  ClientContext context;
  Text reply;
  bool done = false;
  stub_.AsyncSay(context, TextOf("async"), &reply, [&](const absl::Status& status) {
    EXPECT_EQ(status, absl::OkStatus());
    EXPECT_EQ(stub_.Say(TextOf("nested")).status(), absl::OkStatus());
    done = true;
  });
  loop_->Poll();
  EXPECT_EQ(stub_.Say(TextOf("sync")).status(), absl::OkStatus());
  PumpUntil(done);
}

TEST_F(OwnLoopClient, SynchronousCallConnectsBeforeTheLoopHasRun) {
  ClientContext context;
  Text reply;
  bool done = false;
  stub_.AsyncSay(context, TextOf("async"), &reply, [&](const absl::Status& status) {
    EXPECT_EQ(status, absl::OkStatus());
    done = true;
  });
  EXPECT_EQ(stub_.Say(TextOf("sync")).status(), absl::OkStatus());
  PumpUntil(done);
}

Task<int> SayMany(Echo::Stub& stub, int times) {
  int good = 0;
  for (int i = 0; i < times; ++i) {
    if ((co_await stub.CoSay(TextOf(absl::StrCat(i)))).ok()) ++good;
  }
  co_return good;
}

TEST_F(OwnLoopClient, CoroutinesRunInPoll) { EXPECT_EQ(BlockOn(*loop_, SayMany(stub_, 100)), 100); }

TEST_F(OwnLoopClient, MayLetGoOfEverythingWhileCallsAreOut) {
  ClientContext context;
  Text reply;
  auto stream = std::make_optional(stub_.AsyncChat(context));
  stream->Read(&reply, [](bool) { FAIL(); });
  loop_->Poll();
  stub_ = Echo::Stub(server_->Dial());
  channel_.reset();
  loop_.reset();
  stream.reset();
}

TEST_F(OwnLoopClient, PostedTaskRunsInPoll) {
  bool ran = false;
  std::thread([&] { loop_->Post([&] { ran = true; }); }).join();
  EXPECT_FALSE(ran);
  loop_->WaitAndPoll();
  EXPECT_TRUE(ran);
}

// Both sides in one thread: this one.
class OwnLoopServer : public ::testing::Test {
 protected:
  OwnLoopServer()
      : server_(service_, FreshAddress().ToString(), {.event_loop = loop_}),
        channel_(server_.Dial({.event_loop = loop_})),
        stub_(channel_) {}

  // A medium that cannot be polled has threads of its own.
  void ExpectNoThreadOfOurs() const {
    if (TheSubject().threads) return;
    EXPECT_LE(ThreadCount(), threads_);
  }

  std::shared_ptr<EventLoop> loop_ = std::make_shared<EventLoop>();
  const int threads_ = ThreadCount();
  CoEchoService service_;
  EchoServer server_;
  std::shared_ptr<Channel> channel_;
  Echo::Stub stub_;
};

TEST_F(OwnLoopServer, ServesUnaryCalls) {
  EXPECT_EQ(BlockOn(*loop_, SayMany(stub_, 100)), 100);
  ExpectNoThreadOfOurs();
}

Task<absl::Status> UseStreams(Echo::Stub& stub) {
  CoClientReader<Text> split = stub.CoSplit(TextOf("x", 10));
  int replies = 0;
  while (std::optional<Text> reply = co_await split.Read()) ++replies;
  EXPECT_EQ(replies, 10);
  CoClientWriter<Text, Text> join = stub.CoJoin();
  const Text request = TextOf("a");
  for (int i = 0; i < 3; ++i) (void)co_await join.Write(request);
  const absl::StatusOr<Text> joined = co_await join.Finish();
  EXPECT_EQ(joined.value().text(), "aaa");
  CoClientStream<Text, Text> chat = stub.CoChat();
  for (int i = 0; i < 10; ++i) {
    (void)co_await chat.Write(request);
    const std::optional<Text> reply = co_await chat.Read();
    EXPECT_TRUE(reply.has_value());
  }
  co_return co_await chat.Finish();
}

TEST_F(OwnLoopServer, ServesStreams) {
  EXPECT_EQ(BlockOn(*loop_, UseStreams(stub_)), absl::OkStatus());
  ExpectNoThreadOfOurs();
}

TEST_F(OwnLoopServer, ShutdownCancelsWhatIsOpen) {
  ClientContext context;
  auto chat = stub_.AsyncChat(context);
  Text reply;
  bool open = false;
  bool over = false;
  chat.Write(TextOf("begun"), [](bool ok) { EXPECT_TRUE(ok); });
  chat.Read(&reply, [&](bool) { open = true; });
  while (!open) loop_->WaitAndPoll();
  server_.server().Shutdown(absl::ZeroDuration());
  EXPECT_EQ(service_.cancelled.times(), 1);
  chat.Finish([&](const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    over = true;
  });
  while (!over) loop_->WaitAndPoll();
}

TEST_F(OwnLoopServer, RunPollsUntilAnotherThreadShutsItDown) {
  const std::shared_ptr<Channel> channel = server_.Dial();
  std::thread client([&] {
    EXPECT_EQ(Echo::Stub(channel).Say(TextOf("hello")).status(), absl::OkStatus());
    server_.server().Shutdown(absl::InfiniteDuration());
  });
  EXPECT_EQ(server_.server().Run(), absl::OkStatus());
  client.join();
}

TEST_F(OwnLoopServer, DeadlineEndsAHandlersWait) {
  ClientContext context;
  context.set_timeout(absl::Milliseconds(20));
  auto chat = stub_.AsyncChat(context);
  Text reply;
  bool over = false;
  chat.Read(&reply, [&](bool ok) {
    EXPECT_FALSE(ok);
    over = true;
  });
  while (!over || service_.cancelled.times() == 0) loop_->WaitAndPoll();
}

TEST(OwnLoopServerWithFunctions, ServesUnaryOnesAndRefusesThoseThatWaitForTheirClient) {
  EchoService service;
  Server server({.event_loop = std::make_shared<EventLoop>()});
  server.Register(service);
  const absl::Status started = server.Start();
  EXPECT_EQ(started.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(started.message().find("CoService"), std::string::npos) << started;
}

}  // namespace
}  // namespace nigh::testing
