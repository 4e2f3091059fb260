// What handlers may do.

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/call_suite.h"

namespace nigh::testing {
namespace {

using ::testing::HasSubstr;

class Handlers : public CallSuite {
 protected:
  absl::Status UnaryStatus(const Play& play) {
    ClientContext context;
    play.In(context);
    Blob reply;
    return stub().Unary(context, Blob(), &reply);
  }
};
INSTANTIATE_TEST_SUITE_P(Peer, Handlers, ::testing::ValuesIn(Placements()), PlacementName);

TEST_P(Handlers, ThatThrowAreUnknown) {
  for (const char* what : {"the handler's own words", ""}) {
    const absl::Status status = UnaryStatus(Play().Throw(what));
    EXPECT_THAT(status, HasCode(kUnknown));
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
    for (const MethodKind kind : kStreamKinds) {
      ClientContext context;
      Play().Throw(what).In(context);
      EXPECT_THAT(StreamCall(stub(), kind, context).Finish(), HasCode(kUnknown));
    }
  }
  EXPECT_EQ(UnaryStatus(Play()), absl::OkStatus());
}

TEST_P(Handlers, ThatThrowAmidAStreamDeliverWhatTheySent) {
  ClientContext context;
  Play().Read(1).Write(2).Throw("enough").In(context);
  StreamCall call(stub(), MethodKind::kBidiStreaming, context);
  EXPECT_TRUE(call.Write(BlobOf(1)));
  Blob reply;
  EXPECT_TRUE(call.Read(&reply) && call.Read(&reply));
  EXPECT_FALSE(call.Read(&reply));
  EXPECT_THAT(call.Finish(), HasCode(kUnknown));
}

// None of the calls that have to get through waits for a blocked one: those end only after them.
TEST_P(Handlers, ThatBlockDelayNobodyElse) {
  constexpr int kBlocked = 20;
  ServerSettings settings;
  settings.set_pollers(1);
  Serve(settings);
  const Scripted::Stub stub(channel());
  std::vector<std::thread> blocked;
  for (int i = 0; i < kBlocked; ++i) {
    blocked.emplace_back([&] {
      ClientContext context;
      Play().Raise("blocked").Await("go").In(context);
      Blob reply;
      EXPECT_EQ(stub.Unary(context, Blob(), &reply), absl::OkStatus());
    });
    Await("blocked", i + 1);
    EXPECT_EQ(stub.Unary(BlobOf(1)).status(), absl::OkStatus());
    EXPECT_EQ(Scripted::Stub(Dial()).Unary(BlobOf(1)).status(), absl::OkStatus());
    auto stream = stub.Both();
    EXPECT_TRUE(stream.Write(BlobOf(1)) && stream.Read().has_value());
    EXPECT_EQ(stream.Finish(), absl::OkStatus());
  }
  Raise("go");
  for (std::thread& caller : blocked) caller.join();
}

TEST_P(Handlers, MayCallTheirOwnServer) {
  EXPECT_EQ(UnaryStatus(Play().Nested(Play().Nested(Play().Nested(Play())))), absl::OkStatus());
  const absl::Status inner = absl::AbortedError("from within");
  EXPECT_EQ(UnaryStatus(Play().Nested(Play().Nested(Play().End(inner)))), inner);
}

TEST_P(Handlers, MayCallTheirOwnServerAllAtOnce) {
  ServerSettings settings;
  settings.set_pollers(1);
  Serve(settings);
  const Scripted::Stub stub(channel());
  std::vector<std::thread> callers;
  for (int i = 0; i < 20; ++i) {
    callers.emplace_back([&] {
      for (int call = 0; call < Times(20); ++call) {
        ClientContext context;
        Play().Nested(Play().Nested(Play())).In(context);
        Blob reply;
        ASSERT_EQ(stub.Unary(context, Blob(), &reply), absl::OkStatus());
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

TEST_P(Handlers, OfStreamsMayCallTheirOwnServer) {
  for (const MethodKind kind : kStreamKinds) {
    ClientContext context;
    Play().Nested(Play()).In(context);
    EXPECT_EQ(StreamCall(stub(), kind, context).Finish(), absl::OkStatus());
  }
}

TEST_P(Handlers, MayOutliveTheirClient) {
  {
    ClientContext context;
    Play().Raise("runs").Await("go").Write(1).Raise("over").In(context);
    const Scripted::Stub stub(Dial());
    StreamCall call(stub, MethodKind::kServerStreaming, context);
    Await("runs");
  }
  Raise("go");
  Await("over");
}

TEST_P(Handlers, SeeTheirClientGo) {
  for (const MethodKind kind : kStreamKinds) {
    const int before = Count("cancelled");
    {
      ClientContext context;
      Play().Raise("runs").AwaitCancel().Raise("cancelled").In(context);
      const Scripted::Stub stub(Dial());
      StreamCall call(stub, kind, context);
      Await("runs", before + 1);
    }
    Await("cancelled", before + 1);
  }
}

TEST_P(Handlers, FailToWriteToAClientThatIsGone) {
  {
    ClientContext context;
    Play().Raise("runs").Write(1'000'000'000, 10'000).Raise("over").In(context);
    const Scripted::Stub stub(Dial());
    StreamCall call(stub, MethodKind::kServerStreaming, context);
    Await("runs");
  }
  Await("over");
}

}  // namespace
}  // namespace nigh::testing
