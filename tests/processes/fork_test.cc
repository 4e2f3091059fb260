// A child of fork(2) inherits servers, channels, streams and event loops. Whatever it then does,
// exit, become another program, die, call: its parent notices nothing.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdio>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/deadline.h"
#include "nigh/event_loop.h"
#include "nigh/server.h"
#include "tests/contract/subject.h"
#include "tests/processes/host.h"

namespace nigh::testing {
namespace {

using Stream = ClientStream<Text, Text>;

// A server and its client.
struct Objects {
  Objects() { server.Register(service); }

  std::shared_ptr<Channel> NewChannel() const {
    return Dial(server.addresses().front(), OptionsOfChannel()).value();
  }

  HostService service;
  Server server{OptionsOfServer()};
  std::shared_ptr<Channel> channel;
  std::optional<Stream> stream;
};

// exit(3) destroys it, as it does those of many programs.
std::unique_ptr<Objects> global;  // NOLINT(cert-err58-cpp)

class ForkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    global = std::make_unique<Objects>();
    ASSERT_EQ(global->server.Listen(FreshAddress().ToString()), absl::OkStatus());
    ASSERT_EQ(global->server.Start(), absl::OkStatus());
    global->channel = global->NewChannel();
    global->stream.emplace(Host::Stub(global->channel).Chat());
    Talk();
  }
  void TearDown() override {
    if (global == nullptr) return;
    EXPECT_EQ(global->stream->Finish(), absl::OkStatus());
    global = nullptr;
  }

  // The stream, the channel and the address are as they were.
  static void Talk() {
    Text text;
    text.set_text("still there?");
    ASSERT_TRUE(global->stream->Write(text));
    const std::optional<Text> reply = global->stream->Read();
    ASSERT_TRUE(reply.has_value()) << global->stream->Finish();
    EXPECT_EQ(reply->text(), "still there?");
    EXPECT_EQ(Hello(global->channel), "hello");
    EXPECT_EQ(Hello(global->NewChannel()), "hello");
  }
};

std::string EndOf(Way way, absl::string_view returned) {
  if (way == RETURN) return std::string(returned);
  return way == ABORT ? absl::StrCat("signal ", SIGABRT) : "exit 0";
}

// ThreadSanitizer knows little of children: in one that was made past the C library it believes
// that the parent's threads run, in any other it holds signals back and may take a new thread for
// an old one.
#ifdef __SANITIZE_THREAD__
constexpr bool kJudgesChildren = false;
#else
constexpr bool kJudgesChildren = true;
#endif

// Each way to end, of a child of fork(3) and of one that has its parent's descriptors.
std::vector<std::pair<Way, bool>> AllEnds() {
  std::vector<std::pair<Way, bool>> ends;
  for (const Way way : kEnds) {
    ends.emplace_back(way, false);
    if (kJudgesChildren) ends.emplace_back(way, true);
  }
  return ends;
}

TEST_F(ForkTest, AHandlerForks) {
  const Host::Stub stub(global->channel);
  for (const auto& [way, raw] : AllEnds()) {
    SCOPED_TRACE(absl::StrCat(Way_Name(way), raw ? ", raw" : ""));
    ForkRequest request;
    request.set_way(way);
    request.set_raw(raw);
    const absl::StatusOr<ForkReply> pooled = stub.Fork(request);
    ASSERT_EQ(pooled.status(), absl::OkStatus());
    // A child that returns from the handler has no server to go on with.
    EXPECT_EQ(pooled->end(), EndOf(way, "exit 1"));
    Talk();
    const absl::StatusOr<ForkReply> here = stub.ForkInline(request);
    ASSERT_EQ(here.status(), absl::OkStatus());
    EXPECT_EQ(here->end(), EndOf(way, "exit 1"));
    Talk();
  }
}

TEST_F(ForkTest, AClientForks) {
  for (const auto& [way, raw] : AllEnds()) {
    SCOPED_TRACE(absl::StrCat(Way_Name(way), raw ? ", raw" : ""));
    const pid_t child = Fork(raw);
    if (child == 0) {
      EndAs(way);
      // What a program does that leaves the scope of its objects.
      global = nullptr;
      ::_exit(0);
    }
    EXPECT_EQ(AwaitEnd(child), EndOf(way, "exit 0"));
    Talk();
  }
}

// Returns what went wrong.
std::string UseInherited() {
  std::string wrong;
  const auto expect = [&](bool right, absl::string_view what) {
    if (!right) absl::StrAppend(&wrong, what, "; ");
  };
  const auto is_refused = [](const absl::Status& status) {
    return absl::IsFailedPrecondition(status) && absl::StrContains(status.message(), "fork");
  };
  Text text;
  expect(is_refused(Host::Stub(global->channel).Echo(text).status()), "a unary call");
  {
    Stream stream = Host::Stub(global->channel).Chat();
    expect(!stream.Write(text), "a new stream's write");
    expect(is_refused(stream.Finish()), "a new stream");
  }
  expect(!global->stream->Write(text), "a write");
  expect(!global->stream->Read().has_value(), "a read");
  global->stream->TryCancel();
  expect(is_refused(global->stream->Finish()), "a stream's end");
  expect(is_refused(global->channel->WaitForReady(absl::Seconds(1))), "WaitForReady");
  expect(is_refused(global->server.Listen("unix:/nowhere")), "Listen");
  expect(is_refused(global->server.Start()), "Start");
  expect(is_refused(global->server.Run()), "Run");
  global->server.Shutdown(absl::InfiniteDuration());
  return wrong;
}

TEST_F(ForkTest, AChildCalls) {
  if (!kJudgesChildren) GTEST_SKIP() << "the sanitizer takes the child's threads for others";
  const std::string address = global->server.addresses().front();
  for (const Way way : {QUIT, EXIT}) {
    const pid_t child = ::fork();
    if (child == 0) {
      std::string wrong = UseInherited();
      // What is its own works.
      if (TheSubject().processes && wrong.empty()) {
        std::shared_ptr<Channel> own = Dial(address, OptionsOfChannel()).value();
        const std::string answer = Hello(own);
        if (answer != "hello") wrong = answer;
      }
      if (!wrong.empty()) {
        fprintf(stderr, "in the child: %s\n", wrong.c_str());
        ::_exit(2);
      }
      EndAs(way);
    }
    EXPECT_EQ(AwaitEnd(child), "exit 0");
    Talk();
  }
}

TEST_F(ForkTest, AChildOfAServerThatRunsDiesOfSignals) {
  if (!kJudgesChildren) GTEST_SKIP() << "the sanitizer holds signals back";
  // As in a program whose main thread is in Run.
  std::thread runner([] { EXPECT_EQ(global->server.Run(), absl::OkStatus()); });
  struct sigaction handler = {};
  while (handler.sa_handler == SIG_DFL) ::sigaction(SIGTERM, nullptr, &handler);
  ForkRequest request;
  request.set_way(LIVE_ON);
  const absl::StatusOr<ForkReply> reply = Host::Stub(global->channel).Fork(request);
  ASSERT_EQ(reply.status(), absl::OkStatus());
  ::kill(reply->pid(), SIGTERM);
  EXPECT_EQ(AwaitEnd(reply->pid()), absl::StrCat("signal ", SIGTERM));
  Talk();
  EXPECT_TRUE(global->stream->WritesDone());
  EXPECT_EQ(global->stream->Finish(), absl::OkStatus());
  global->server.Shutdown(absl::ZeroDuration());
  runner.join();
  global = nullptr;
}

TEST_F(ForkTest, AProgramWithAnEventLoopForks) {
  auto loop = std::make_shared<EventLoop>();
  ChannelOptions options = OptionsOfChannel();
  options.event_loop = loop;
  std::shared_ptr<Channel> channel = Dial(global->server.addresses().front(), options).value();
  ClientContext context;
  Text text;
  Text reply;
  std::optional<absl::Status> end;
  Host::Stub(channel).AsyncEcho(context, text, &reply, [&](const absl::Status& s) { end = s; });
  const pid_t child = ::fork();
  if (child == 0) {
    loop->Post([] {});
    loop->Poll();
    loop->WaitAndPoll(Deadline::After(absl::Milliseconds(1)));
    channel = nullptr;
    loop = nullptr;
    ::_exit(end.has_value() ? 2 : 0);
  }
  EXPECT_EQ(AwaitEnd(child), "exit 0");
  while (!end.has_value()) loop->WaitAndPoll();
  EXPECT_EQ(*end, absl::OkStatus());
}

TEST_F(ForkTest, AChildHearsOfAnAsynchronousCallThatCannotBe) {
  if (!kJudgesChildren) GTEST_SKIP() << "the sanitizer takes the child's thread for another";
  const pid_t child = ::fork();
  if (child == 0) {
    ClientContext context;
    Text text;
    Text reply;
    std::promise<absl::Status> end;
    Host::Stub(global->channel).AsyncEcho(context, text, &reply, [&](const absl::Status& status) {
      end.set_value(status);
    });
    ::_exit(absl::IsFailedPrecondition(end.get_future().get()) ? 0 : 2);
  }
  EXPECT_EQ(AwaitEnd(child), "exit 0");
}

}  // namespace
}  // namespace nigh::testing
