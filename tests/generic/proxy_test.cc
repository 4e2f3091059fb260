// Calls through the proxy of the examples: as if it were not there.

#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "examples/generic_proxy/proxy.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/nigh.h"
#include "tests/conformance/call_suite.h"
#include "tests/conformance/stream_call.h"
#include "tests/contract/subject.h"
#include "tests/interop/cases.h"

namespace nigh::testing {
namespace {

// CallSuite's server, and before it a proxy, which stub() and channel() reach.
class ProxyTest : public CallSuite {
 protected:
  void SetUp() override {
    CallSuite::SetUp();
    proxy_ = std::make_unique<Proxy>(Dial());
    front_ = std::make_unique<Server>(ServerOptions{.transports = {&TheSubject().transport, 1}});
    front_->RegisterFallback(*proxy_);
    ASSERT_EQ(front_->Listen(FreshAddress().ToString()), absl::OkStatus());
    ASSERT_EQ(front_->Start(), absl::OkStatus());
    channel_ = nigh::Dial(front_->addresses().front(), {.transports = {&TheSubject().transport, 1}})
                   .value();
  }

  void TearDown() override {
    channel_ = nullptr;
    front_ = nullptr;
    proxy_ = nullptr;
    CallSuite::TearDown();
  }

  const std::shared_ptr<Channel>& channel() const { return channel_; }
  Scripted::Stub stub() const { return Scripted::Stub(channel_); }

 private:
  std::unique_ptr<Proxy> proxy_;
  std::unique_ptr<Server> front_;
  std::shared_ptr<Channel> channel_;
};
INSTANTIATE_TEST_SUITE_P(Peer, ProxyTest, ::testing::ValuesIn(Placements()), PlacementName);

TEST_P(ProxyTest, PassesTheInteroperabilityCases) {
  for (const InteropCase& interop : InteropCases()) {
    if (interop.name == "concurrent_large_unary") continue;  // below
    EXPECT_EQ(interop.run(channel()), absl::OkStatus()) << interop.name;
  }
  EXPECT_EQ(ConcurrentLargeUnary(channel(), 20), absl::OkStatus());
}

TEST_P(ProxyTest, CarriesMetadataOfAllKindsBothWays) {
  for (const MethodKind kind : kStreamKinds) {
    ClientContext context;
    Play().Initial("early", "1").Trailing("late", "2").In(context);
    StreamCall call(stub(), kind, context);
    call.WritesDone();
    EXPECT_EQ(call.Finish(), absl::OkStatus());
    EXPECT_EQ(context.initial_metadata().Get("early"), "1");
    EXPECT_EQ(context.trailing_metadata().Get("late"), "2");
  }
}

TEST_P(ProxyTest, CarriesInitialMetadataBeforeAnyMessage) {
  ClientContext context;
  Play().Initial("early", "1").SendInitial().Await("go").In(context);
  auto call = stub().Both(context);
  call.WaitForInitialMetadata();
  EXPECT_EQ(context.initial_metadata().Get("early"), "1");
  Raise("go");
  EXPECT_EQ(call.Finish(), absl::OkStatus());
}

TEST_P(ProxyTest, CarriesStatusAndDetails) {
  ClientContext context;
  Play().End(absl::AbortedError("enough"), "details").In(context);
  Blob reply;
  const absl::Status status = stub().Unary(context, Blob(), &reply);
  EXPECT_EQ(status.code(), kAborted);
  EXPECT_EQ(status.message(), "enough");
  EXPECT_EQ(status.GetPayload("type.googleapis.com/google.rpc.Status"), "details");
}

TEST_P(ProxyTest, CarriesCancellationToTheHandlerOfAnyStream) {
  for (const MethodKind kind : kStreamKinds) {
    ClientContext context;
    Play().Raise("runs").AwaitCancel().Raise("cancelled").In(context);
    StreamCall call(stub(), kind, context);
    const int before = Count("cancelled");
    Await("runs", before + 1);
    call.TryCancel();
    EXPECT_THAT(call.Finish(), HasCode(kCancelled));
    Await("cancelled", before + 1);
  }
}

TEST_P(ProxyTest, CarriesCancellationToTheHandlerOfAUnaryCall) {
  ClientContext context;
  Play().Raise("runs").AwaitCancel().Raise("cancelled").In(context);
  const Scripted::Stub stub = this->stub();
  std::thread caller([&] {
    Blob reply;
    EXPECT_THAT(stub.Unary(context, Blob(), &reply), HasCode(kCancelled));
  });
  Await("runs");
  context.TryCancel();
  caller.join();
  Await("cancelled");
}

TEST_P(ProxyTest, CarriesTheDeadline) {
  ClientContext context;
  context.set_timeout(absl::Hours(1));
  Play().Report().In(context);
  Blob reply;
  ASSERT_EQ(stub().Unary(context, Blob(), &reply), absl::OkStatus());
  EXPECT_TRUE(ReportIn(reply).has_deadline());
  EXPECT_LE(ReportIn(reply).nanos_left(), absl::ToInt64Nanoseconds(absl::Hours(1)));

  ClientContext expiring;
  expiring.set_timeout(absl::Milliseconds(50));
  Play().AwaitCancel().Raise("expired").In(expiring);
  EXPECT_THAT(stub().Unary(expiring, Blob(), &reply), HasCode(kDeadlineExceeded));
}

TEST_P(ProxyTest, CarriesAnEarlyEndWhileTheClientStillWrites) {
  ClientContext context;
  Play().Read(1).End(absl::AbortedError("enough")).In(context);
  auto call = stub().Both(context);
  while (call.Write(BlobOf(1000))) {
  }
  EXPECT_EQ(call.Finish(), absl::AbortedError("enough"));

  // And while it is silent.
  ClientContext silent;
  Play().End(absl::AbortedError("enough")).In(silent);
  auto quiet = stub().Both(silent);
  EXPECT_EQ(quiet.Read(), std::nullopt);
  EXPECT_EQ(quiet.Finish(), absl::AbortedError("enough"));
}

TEST_P(ProxyTest, HandsOnThatThereIsNoSuchMethod) {
  const GenericStub generic(channel());
  EXPECT_THAT(generic.Call("/nigh.testing.Scripted/Fly", "").status(), HasCode(kUnimplemented));
}

TEST_P(ProxyTest, HandsOnThatTheServerHasGone) {
  EXPECT_EQ(stub().Unary(Blob()).status(), absl::OkStatus());
  EXPECT_EQ(server().Stop(), absl::OkStatus());
  EXPECT_THAT(stub().Unary(Blob()).status(), HasCode(kUnavailable));
}

}  // namespace
}  // namespace nigh::testing
