// A server that ends its work while a client has left its own unfinished, and what it keeps of
// calls.

#include <algorithm>
#include <atomic>
#include <coroutine>
#include <cstddef>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/co_service.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/server.h"
#include "nigh/server_context.h"
#include "nigh/task.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/inproc/inproc.h"
#include "tests/contract/frames.h"
#include "tests/hostile/victim.nigh.h"

namespace nigh {
namespace {

using hostile::Note;
using hostile::Victim;

// What a coroutine awaits until the test opens it, in the test's thread. Once.
class Gate {
 public:
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    coroutine_ = coroutine;
    reached_.count_down();
  }
  void await_resume() const {}

  void AwaitReached() const { reached_.wait(); }
  void Open() const { coroutine_.resume(); }

 private:
  std::coroutine_handle<> coroutine_;
  std::latch reached_{1};
};

// Its one handler waits for something that has nothing to do with its client.
class Patient final : public Victim::CoService {
 public:
  Gate gate;
  std::latch cancelled{1};
  std::atomic<bool> done = false;

  Task<absl::Status> Echo(ServerContext& context, const Note&, Note*) override {
    context.SetCancelCallback([this] { cancelled.count_down(); });
    co_await gate;
    done = true;
    co_return absl::OkStatus();
  }
};

// Its replies are large, and none is sent.
class Failing final : public Victim::Service {
 public:
  // The most bytes that a reply brought along from a former call.
  std::atomic<size_t> kept = 0;

  absl::Status Echo(ServerContext&, const Note&, Note* reply) override {
    kept = std::max(kept.load(), reply->data().capacity());
    reply->mutable_data()->assign(kLarge, 'x');
    return absl::AbortedError("on purpose");
  }

  static constexpr size_t kLarge = size_t{1} << 20;
};

// A client that has said hello and knows the method.
std::unique_ptr<Connection> Greet(const std::string& address) {
  std::unique_ptr<Connection> connection = DialInproc(testing::MakeAddress(address)).value();
  std::string hello(kHelloSize, '\0');
  EncodeHello({.window = 1 << 16, .max_message = 1 << 16, .max_metadata = 1024, .max_calls = 1},
              reinterpret_cast<std::byte*>(hello.data()));
  EXPECT_TRUE(testing::Send(*connection, {.kind = FrameKind::kHello}, hello).ok());
  EXPECT_TRUE(
      testing::Send(*connection, {.kind = FrameKind::kMethod}, "/nigh.hostile.Victim/Echo").ok());
  return connection;
}

// The next frame of that kind.
testing::OwnedFrame Expect(Connection& connection, FrameKind kind) {
  for (;;) {
    absl::StatusOr<testing::OwnedFrame> frame = testing::Receive(connection);
    if (!frame.ok()) {
      ADD_FAILURE() << "no " << FrameKindName(kind) << ": " << frame.status();
      return {};
    }
    if (frame->header.kind == kind) return *std::move(frame);
  }
}

class Echoing final : public Victim::Service {
  absl::Status Echo(ServerContext&, const Note& request, Note* reply) override {
    *reply = request;
    return absl::OkStatus();
  }
};

// A server that shuts down while half of a request has come.
class UnfinishedRequest : public ::testing::Test {
 protected:
  UnfinishedRequest() {
    note_.set_data("a note in two pieces");
    bytes_ = note_.SerializeAsString();
    server_.Register(service_);
    EXPECT_EQ(server_.Listen("inproc:unfinished"), absl::OkStatus());
    EXPECT_EQ(server_.Start(), absl::OkStatus());
    client_ = Greet("inproc:unfinished");
    const size_t rest = bytes_.size() - kFirst;
    EXPECT_TRUE(testing::Send(*client_,
                              {.kind = FrameKind::kRequest,
                               .flags = kMessage | kEnd,
                               .rest = static_cast<uint32_t>(rest)},
                              bytes_.substr(0, kFirst))
                    .ok());
    // The server has it once it answers what comes after.
    EXPECT_TRUE(testing::Send(*client_, {.kind = FrameKind::kPing}, "").ok());
    (void)Expect(*client_, FrameKind::kPing);
    shutdown_ = std::thread([this] { server_.Shutdown(absl::Minutes(1)); });
    (void)Expect(*client_, FrameKind::kGoAway);
  }
  ~UnfinishedRequest() override { shutdown_.join(); }

  static constexpr size_t kFirst = 5;
  Note note_;
  std::string bytes_;
  Echoing service_;
  Server server_;
  std::unique_ptr<Connection> client_;
  std::thread shutdown_;
};

TEST_F(UnfinishedRequest, IsWaitedFor) {
  EXPECT_TRUE(testing::Send(*client_, {.kind = FrameKind::kPiece}, bytes_.substr(kFirst)).ok());
  const testing::OwnedFrame response = Expect(*client_, FrameKind::kResponse);
  EXPECT_EQ(response.header.aux, 0);
  EXPECT_EQ(response.payload, bytes_);
  client_ = nullptr;
}

TEST_F(UnfinishedRequest, MayBeCancelled) {
  EXPECT_TRUE(testing::Send(*client_, {.kind = FrameKind::kCancel}, "").ok());
  EXPECT_EQ(Expect(*client_, FrameKind::kResponse).header.aux,
            static_cast<uint64_t>(absl::StatusCode::kCancelled));
  client_ = nullptr;
}

TEST_F(UnfinishedRequest, IsForgottenWithItsClient) { client_ = nullptr; }

// A client that has made one call and says no more.
std::unique_ptr<Connection> CallEcho(const std::string& address) {
  std::unique_ptr<Connection> connection = Greet(address);
  EXPECT_TRUE(
      testing::Send(*connection, {.kind = FrameKind::kRequest, .flags = kMessage | kEnd}, "").ok());
  return connection;
}

TEST(ServerSession, ShutdownWaitsForTheHandlerOfAClientThatHasLeft) {
  Patient service;
  std::optional<Server> server(std::in_place);
  server->Register(service);
  ASSERT_EQ(server->Listen("inproc:patient"), absl::OkStatus());
  ASSERT_EQ(server->Start(), absl::OkStatus());
  std::unique_ptr<Connection> client = CallEcho("inproc:patient");
  service.gate.AwaitReached();
  client = nullptr;
  service.cancelled.wait();

  std::atomic<bool> is_shut_down = false;
  std::thread opener([&] {
    // A server that does not wait is done well within this time; one that does waits for this.
    const Deadline patience = Deadline::After(absl::Milliseconds(100));
    while (!is_shut_down && !patience.HasPassed()) std::this_thread::yield();
    service.gate.Open();
  });
  server->Shutdown(absl::ZeroDuration());
  EXPECT_TRUE(service.done);
  is_shut_down = true;
  // What the handler's end still uses must be there until it has ended.
  server.reset();
  opener.join();
}

TEST(ServerSession, NoCallKeepsALargeReplyThatWasNotSent) {
  Failing service;
  Server server;
  server.Register(service);
  ASSERT_EQ(server.Listen("inproc:failing"), absl::OkStatus());
  ASSERT_EQ(server.Start(), absl::OkStatus());
  const Victim::Stub stub(Dial("inproc:failing").value());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(absl::IsAborted(stub.Echo(Note()).status()));
  EXPECT_LT(service.kept, Failing::kLarge / 2);
}

}  // namespace
}  // namespace nigh
