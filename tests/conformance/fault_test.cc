// Peers that are killed, frozen, restarted.

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/conformance/call_suite.h"
#include "tests/conformance/child_client.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

constexpr CallOptions kPatient = {.wait_for_ready = true};

TEST_P(ProcessSuite, ServerKilledMidUnaryIsUnavailable) {
  ClientContext context;
  Play().Raise("runs").Await("never").In(context);
  const Scripted::Stub stub(channel());
  std::thread caller([&] {
    Blob reply;
    EXPECT_THAT(stub.Unary(context, Blob(), &reply), HasCode(kUnavailable));
  });
  Await("runs");
  server().Kill();
  caller.join();
}

TEST_P(ProcessSuite, ServerKilledMidStreamEndsReadsAndWrites) {
  for (const MethodKind kind : kStreamKinds) {
    const std::shared_ptr<Channel> channel = Dial();
    const Scripted::Stub stub(channel);
    ClientContext context;
    Play().Raise("runs").Await("never").In(context);
    StreamCall call(stub, kind, context);
    Await("runs");
    std::thread reader([&] {
      Blob reply;
      EXPECT_FALSE(call.Read(&reply));
    });
    std::thread writer([&] {
      while (call.Write(BlobOf(10'000))) {
      }
    });
    server().Kill();
    reader.join();
    writer.join();
    EXPECT_THAT(call.Finish(), HasCode(kUnavailable));
    ServeAgain();
  }
}

TEST_P(ProcessSuite, RepliesSentBeforeTheKillAreRead) {
  ClientContext context;
  Play().Write(5).Raise("sent").Await("never").In(context);
  StreamCall call(stub(), MethodKind::kServerStreaming, context);
  Await("sent");
  server().Kill();
  Blob reply;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(call.Read(&reply));
  EXPECT_FALSE(call.Read(&reply));
  EXPECT_THAT(call.Finish(), HasCode(kUnavailable));
}

// The next server takes over what the killed one left behind, and the channel finds it.
TEST_P(ProcessSuite, NextCallReachesTheServersSuccessor) {
  const Scripted::Stub stub(channel());
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(stub.Unary(BlobOf(1), kPatient).status(), absl::OkStatus());
    server().Kill();
    EXPECT_THAT(stub.Unary(BlobOf(1)).status(), HasCode(kUnavailable));
    ServeAgain();
  }
  EXPECT_EQ(stub.Unary(BlobOf(1), kPatient).status(), absl::OkStatus());
}

TEST_P(ProcessSuite, DeadlineHoldsAgainstAFrozenServer) {
  ASSERT_EQ(stub().Unary(BlobOf(1)).status(), absl::OkStatus());
  auto stream = stub().Both({.timeout = absl::Milliseconds(50)});
  server().Freeze();
  const CallOptions brief = {.timeout = absl::Milliseconds(20)};
  EXPECT_THAT(stub().Unary(BlobOf(1), brief).status(), HasCode(kDeadlineExceeded));
  // More than the medium holds.
  EXPECT_THAT(stub().Unary(BlobOf(3 << 20), brief).status(), HasCode(kDeadlineExceeded));
  while (stream.Write(BlobOf(10'000))) {
  }
  EXPECT_THAT(stream.Finish(), HasCode(kDeadlineExceeded));
  server().Thaw();
  EXPECT_EQ(stub().Unary(BlobOf(1)).status(), absl::OkStatus());
}

TEST_P(ProcessSuite, DeadlineHoldsWhileConnectingToAFrozenServer) {
  const std::shared_ptr<Channel> fresh = Dial();
  (void)Count("anything");
  server().Freeze();
  EXPECT_THAT(Scripted::Stub(fresh).Unary(BlobOf(1), {.timeout = absl::Milliseconds(50)}).status(),
              HasCode(kDeadlineExceeded));
  server().Thaw();
  EXPECT_EQ(Scripted::Stub(fresh).Unary(BlobOf(1)).status(), absl::OkStatus());
}

TEST_P(ProcessSuite, CancelWorksAgainstAFrozenServer) {
  ASSERT_EQ(stub().Unary(BlobOf(1)).status(), absl::OkStatus());
  server().Freeze();
  ClientContext context;
  const Scripted::Stub stub(channel());
  StreamCall call(stub, MethodKind::kBidiStreaming, context);
  std::thread reader([&] {
    Blob reply;
    EXPECT_FALSE(call.Read(&reply));
  });
  call.TryCancel();
  reader.join();
  EXPECT_THAT(call.Finish(), HasCode(kCancelled));
  server().Thaw();
}

TEST_P(ProcessSuite, HandlerSeesItsClientKilled) {
  (void)server();
  const auto client = StartClient(server().address(),
                                  Play().Read(1).Raise("runs").AwaitCancel().Raise("cancelled"));
  Await("runs");
  client->Signal(SIGKILL);
  Await("cancelled");
}

TEST_P(ProcessSuite, AThousandConnectionsKilledAmidTheirStreamsLeaveNothingBehind) {
  // More than the quickest medium carries before its client is killed.
  constexpr int kEndless = 1'000'000'000;
  const int connections = std::min(25, TheSubject().connections);
  const int before = WeighServer().fds();
  for (int i = 0; i < Times(40); ++i) {
    const auto client =
        StartClient(server().address(), Play().Raise("runs").Write(kEndless, 1000), connections);
    Await("runs", (i + 1) * connections);
    client->Signal(SIGKILL);
    EXPECT_THAT(client->Wait(), HasCode(kAborted));
  }
  while (WeighServer().fds() > before && !HasFailure()) std::this_thread::yield();
  EXPECT_EQ(stub().Unary(BlobOf(1)).status(), absl::OkStatus());
}

TEST_P(ProcessSuite, ServersKilledUnderLoadAreFollowedByOthers) {
  std::atomic<bool> over = false;
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&, channel = Dial()] {
      while (!over) {
        const absl::Status status = Scripted::Stub(channel).Unary(BlobOf(1000)).status();
        EXPECT_THAT(status, ::testing::AnyOf(HasCode(kOk), HasCode(kUnavailable)));
      }
    });
  }
  for (int round = 0; round < 10; ++round) {
    (void)Count("anything");
    server().Kill();
    ServeAgain();
  }
  over = true;
  for (std::thread& caller : callers) caller.join();
}

TEST_P(ProcessSuite, ServerEndsCleanlyOnAnInterrupt) {
  (void)Count("anything");
  server().Interrupt();
  EXPECT_EQ(server().AwaitStop(), absl::OkStatus());
}

}  // namespace
}  // namespace nigh::testing
