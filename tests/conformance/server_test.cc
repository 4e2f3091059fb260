// Servers: shutting down, and sharing the world with others.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/server.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "tests/conformance/call_suite.h"
#include "tests/conformance/descriptor_check.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class Servers : public CallSuite {
 protected:
  void ServeWithGrace(int64_t millis) {
    ServerSettings settings;
    settings.set_grace(millis);
    Serve(settings);
  }
  // Returns once the server takes no new calls.
  static void AwaitRefusal(const std::shared_ptr<Channel>& channel) {
    absl::Status status;
    while (status.ok()) status = Scripted::Stub(channel).Unary(Blob()).status();
    EXPECT_THAT(status, HasCode(kUnavailable));
  }
};
INSTANTIATE_TEST_SUITE_P(Peer, Servers, ::testing::ValuesIn(Placements()), PlacementName);

TEST_P(Servers, FinishRunningCallsAndTakeNoNewOnes) {
  ServeWithGrace(60'000);
  ClientContext context;
  Play().Raise("runs").Read(2).Write(1).In(context);
  StreamCall running(stub(), MethodKind::kBidiStreaming, context);
  Await("runs");
  EXPECT_TRUE(running.Write(BlobOf(1)));
  server().BeginStop();
  AwaitRefusal(channel());
  AwaitRefusal(Dial());
  EXPECT_TRUE(running.Write(BlobOf(1)));
  Blob reply;
  EXPECT_TRUE(running.Read(&reply));
  EXPECT_EQ(running.Finish(), absl::OkStatus());
  EXPECT_EQ(server().AwaitStop(), absl::OkStatus());
}

TEST_P(Servers, FinishARunningUnaryCall) {
  ServeWithGrace(60'000);
  ClientContext released;
  Play().Raise("runs").Await("go").In(released);
  const Scripted::Stub stub(channel());
  std::thread caller([&] {
    Blob reply;
    EXPECT_EQ(stub.Unary(released, BlobOf(3), &reply), absl::OkStatus());
    EXPECT_EQ(reply.body().size(), 3u);
  });
  // Its handler lets the other one go, and can be reached although the server takes no new calls.
  ClientContext prompting;
  Play().Raise("runs").Read(1).Raise("go").In(prompting);
  StreamCall prompter(stub, MethodKind::kClientStreaming, prompting);
  Await("runs", 2);
  server().BeginStop();
  AwaitRefusal(Dial());
  EXPECT_TRUE(prompter.Write(BlobOf(1)));
  EXPECT_EQ(prompter.Finish(), absl::OkStatus());
  caller.join();
  EXPECT_EQ(server().AwaitStop(), absl::OkStatus());
}

TEST_P(Servers, CancelWhatRunsAtTheEndOfTheGrace) {
  ServeWithGrace(1);
  for (const MethodKind kind : kStreamKinds) {
    ClientContext context;
    // The channel has yet to learn that there is another server.
    context.set_wait_for_ready(true);
    Play().Raise("runs").AwaitCancel().In(context);
    StreamCall running(stub(), kind, context);
    Await("runs");
    // Returns only when the handler has.
    EXPECT_EQ(server().Stop(), absl::OkStatus());
    EXPECT_THAT(running.Finish(), HasCode(kUnavailable));
    ServeAgain();
  }
}

TEST_P(Servers, StopWithCallsComingInAllTheTime) {
  std::vector<std::thread> callers;
  std::atomic<bool> stopped = false;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&, channel = Dial()] {
      while (!stopped) {
        const absl::Status status = Scripted::Stub(channel).Unary(BlobOf(10)).status();
        EXPECT_THAT(status, AnyOf(HasCode(kOk), HasCode(kUnavailable)));
      }
    });
  }
  for (int round = 0; round < 5; ++round) {
    (void)Count("anything");
    EXPECT_EQ(server().Stop(), absl::OkStatus());
    ServeAgain();
  }
  stopped = true;
  for (std::thread& caller : callers) caller.join();
}

TEST_P(Servers, AreRefusedWhereALiveOneIs) {
  Serve();
  const absl::Status second = TestServer::Start(GetParam(), server().settings()).status();
  EXPECT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.message()), HasSubstr(server().address()));
  EXPECT_THAT(std::string(second.message()), HasSubstr("listen"));
  EXPECT_EQ(stub().Unary(BlobOf(1)).status(), absl::OkStatus());
  EXPECT_EQ(Scripted::Stub(Dial()).Unary(BlobOf(1)).status(), absl::OkStatus());
}

class ServersOfThisProcess : public ::testing::Test {
  const DescriptorCheck descriptors_;
};

TEST_F(ServersOfThisProcess, ListenAtManyAddresses) {
  Board board;
  ScriptedService service(board);
  Server server({.transports = {&TheSubject().transport, 1}});
  server.Register(service);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(server.Listen(FreshAddress().ToString()), absl::OkStatus());
  }
  ASSERT_EQ(server.Start(), absl::OkStatus());
  ASSERT_EQ(server.Listen(FreshAddress().ToString()), absl::OkStatus());
  ASSERT_EQ(server.addresses().size(), 4u);
  for (const std::string& address : server.addresses()) {
    auto channel = nigh::Dial(address, {.transports = {&TheSubject().transport, 1}});
    EXPECT_EQ(Scripted::Stub(*channel).Unary(BlobOf(1)).status(), absl::OkStatus());
  }
}

// A client that comes at the last moment: its connection has been accepted, and arrives when the
// server has begun to shut down.
class LateListener final : public Listener {
 public:
  static inline Server* server = nullptr;
  static inline absl::Notification* accepted = nullptr;

  static absl::StatusOr<std::unique_ptr<Listener>> Listen(const Address& address) {
    absl::StatusOr<std::unique_ptr<Listener>> made = TheSubject().transport.listen(address);
    if (!made.ok()) return made.status();
    return std::unique_ptr<Listener>(new LateListener(*std::move(made)));
  }

  void SetGate(Gate gate) override { listener_->SetGate(std::move(gate)); }
  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    absl::StatusOr<std::unique_ptr<Connection>> connection = listener_->Accept();
    if (!connection.ok() || *connection == nullptr) return connection;
    accepted->Notify();
    while (server->Start().ok()) std::this_thread::yield();
    return connection;
  }
  Wake Arm() override { return listener_->Arm(); }
  const Address& address() const override { return listener_->address(); }

 private:
  explicit LateListener(std::unique_ptr<Listener> listener) : listener_(std::move(listener)) {}

  const std::unique_ptr<Listener> listener_;
};

TEST_F(ServersOfThisProcess, TellWhoComesAtTheLastMoment) {
  Transport late = TheSubject().transport;
  late.listen = &LateListener::Listen;
  Board board;
  ScriptedService service(board);
  Server server({.transports = {&late, 1}});
  absl::Notification accepted;
  LateListener::server = &server;
  LateListener::accepted = &accepted;
  server.Register(service);
  ASSERT_EQ(server.Listen(FreshAddress().ToString()), absl::OkStatus());
  ASSERT_EQ(server.Start(), absl::OkStatus());
  auto channel =
      nigh::Dial(server.addresses().front(), {.transports = {&TheSubject().transport, 1}});
  std::thread caller([&] {
    const absl::Status status = Scripted::Stub(*channel).Unary(Blob()).status();
    EXPECT_THAT(status, HasCode(kUnavailable));
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("connect: the server refused: the server is shutting down"));
  });
  accepted.WaitForNotification();
  server.Shutdown(absl::Seconds(10));
  caller.join();
}

TEST_P(Servers, LimitTheCallsInFlight) {
  ServerSettings settings;
  settings.set_max_calls(2);
  Serve(settings);
  auto first = stub().Both(), second = stub().Both();
  EXPECT_THAT(stub().Unary(Blob()).status(), HasCode(kResourceExhausted));
  EXPECT_EQ(first.Finish(), absl::OkStatus());
  EXPECT_EQ(second.Finish(), absl::OkStatus());
  EXPECT_EQ(stub().Unary(Blob()).status(), absl::OkStatus());
}

}  // namespace
}  // namespace nigh::testing
