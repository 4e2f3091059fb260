// Cancellation, by either side and at every stage.

#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/conformance/call_suite.h"

namespace nigh::testing {
namespace {

// A call that says when it runs, waits to be cancelled, and says when it has been.
Play Waiting() { return Play().Raise("runs").AwaitCancel().Raise("cancelled"); }

TEST_P(CallSuite, CancelBeforeStartNeverReachesTheHandler) {
  ClientContext context;
  Play().Raise("runs").In(context);
  context.TryCancel();
  Blob reply;
  EXPECT_THAT(stub().Unary(context, Blob(), &reply), HasCode(kCancelled));
  for (const MethodKind kind : kStreamKinds) {
    ClientContext streamed;
    Play().Raise("runs").In(streamed);
    streamed.TryCancel();
    EXPECT_THAT(StreamCall(stub(), kind, streamed).Finish(), HasCode(kCancelled));
  }
  EXPECT_EQ(Count("runs"), 0);
}

TEST_P(CallSuite, CancelOfAUnaryCallReachesItsHandler) {
  ClientContext context;
  Waiting().In(context);
  const Scripted::Stub stub(channel());
  std::thread caller([&] {
    Blob reply;
    EXPECT_THAT(stub.Unary(context, Blob(), &reply), HasCode(kCancelled));
  });
  Await("runs");
  context.TryCancel();
  caller.join();
  Await("cancelled");
}

TEST_P(CallSuite, CancelAfterTheEndChangesNothing) {
  ClientContext context;
  Blob reply;
  EXPECT_EQ(stub().Unary(context, Blob(), &reply), absl::OkStatus());
  context.TryCancel();
  EXPECT_EQ(stub().Unary(Blob()).status(), absl::OkStatus());
  ClientContext streamed;
  StreamCall call(stub(), MethodKind::kBidiStreaming, streamed);
  EXPECT_EQ(call.Finish(), absl::OkStatus());
  call.TryCancel();
  EXPECT_EQ(stub().Unary(Blob()).status(), absl::OkStatus());
}

TEST_P(CallSuite, CancelAfterStartReachesTheHandlerOfAnyStream) {
  for (const MethodKind kind : kStreamKinds) {
    ClientContext context;
    Waiting().In(context);
    StreamCall call(stub(), kind, context);
    const int before = Count("cancelled");
    Await("runs", before + 1);
    call.TryCancel();
    EXPECT_THAT(call.Finish(), HasCode(kCancelled));
    Await("cancelled", before + 1);
  }
}

TEST_P(CallSuite, CancelMidRequestStream) {
  ClientContext context;
  Play().Read(2).Raise("runs").AwaitCancel().Raise("cancelled").In(context);
  StreamCall call(stub(), MethodKind::kClientStreaming, context);
  ASSERT_TRUE(call.Write(BlobOf(1)) && call.Write(BlobOf(1)));
  Await("runs");
  call.TryCancel();
  EXPECT_FALSE(call.Write(BlobOf(1)));
  EXPECT_THAT(call.Finish(), HasCode(kCancelled));
  Await("cancelled");
}

TEST_P(CallSuite, CancelMidResponseStream) {
  ClientContext context;
  Play().Write(2).AwaitCancel().Raise("cancelled").In(context);
  StreamCall call(stub(), MethodKind::kServerStreaming, context);
  Blob reply;
  ASSERT_TRUE(call.Read(&reply) && call.Read(&reply));
  call.TryCancel();
  EXPECT_FALSE(call.Read(&reply));
  EXPECT_THAT(call.Finish(), HasCode(kCancelled));
  Await("cancelled");
}

TEST_P(CallSuite, CancelMidBidi) {
  ClientContext context;
  Play().Read(1).Write(1).AwaitCancel().Raise("cancelled").In(context);
  StreamCall call(stub(), MethodKind::kBidiStreaming, context);
  Blob reply;
  ASSERT_TRUE(call.Write(BlobOf(1)) && call.Read(&reply));
  call.TryCancel();
  EXPECT_FALSE(call.Write(BlobOf(1)));
  EXPECT_FALSE(call.Read(&reply));
  EXPECT_THAT(call.Finish(), HasCode(kCancelled));
  Await("cancelled");
}

TEST_P(CallSuite, CancelWakesAReader) {
  ClientContext context;
  Waiting().In(context);
  StreamCall call(stub(), MethodKind::kServerStreaming, context);
  std::thread reader([&] {
    Blob reply;
    EXPECT_FALSE(call.Read(&reply));
  });
  Await("runs");
  call.TryCancel();
  reader.join();
  EXPECT_THAT(call.Finish(), HasCode(kCancelled));
}

TEST_P(CallSuite, CancelWakesAWriterWithoutCredit) {
  ClientContext context;
  Waiting().In(context);
  StreamCall call(stub(), MethodKind::kClientStreaming, context);
  // The handler reads nothing, so that this goes on until the end.
  std::thread writer([&] {
    while (call.Write(BlobOf(10'000))) {
    }
  });
  Await("runs");
  call.TryCancel();
  writer.join();
  EXPECT_THAT(call.Finish(), HasCode(kCancelled));
  Await("cancelled");
}

TEST_P(CallSuite, AStreamThatGoesAwayCancelsItsCall) {
  for (const MethodKind kind : kStreamKinds) {
    const int before = Count("cancelled");
    {
      ClientContext context;
      Waiting().In(context);
      StreamCall call(stub(), kind, context);
      Await("runs", before + 1);
    }
    Await("cancelled", before + 1);
  }
}

TEST_P(CallSuite, CancelOfOneCallLeavesTheOthers) {
  ClientContext context;
  Waiting().In(context);
  StreamCall cancelled(stub(), MethodKind::kBidiStreaming, context);
  ClientContext other;
  StreamCall goes_on(stub(), MethodKind::kBidiStreaming, other);
  Await("runs");
  cancelled.TryCancel();
  Blob reply;
  EXPECT_TRUE(goes_on.Write(BlobOf(5)) && goes_on.Read(&reply));
  EXPECT_EQ(goes_on.Finish(), absl::OkStatus());
  EXPECT_THAT(cancelled.Finish(), HasCode(kCancelled));
}

TEST_P(CallSuite, CancelInTheMiddleOfALongReplyLeavesTheConnectionUsable) {
  const size_t size = Bytes(3 << 20);
  for (int round = 0; round < Times(5); ++round) {
    ClientContext context;
    Play().Write(100, static_cast<int64_t>(size)).Raise("over").In(context);
    StreamCall call(stub(), MethodKind::kServerStreaming, context);
    Blob reply;
    ASSERT_TRUE(call.Read(&reply));
    // Takes in the beginning of the next reply on its way.
    EXPECT_EQ(stub().Unary(Blob()).status(), absl::OkStatus());
    call.TryCancel();
    EXPECT_THAT(call.Finish(), HasCode(kCancelled));
    Await("over", round + 1);
    EXPECT_EQ(stub().Unary(Blob()).status(), absl::OkStatus());
    // One of these gets the id of the cancelled call, and must not see what was left of that.
    auto first = stub().Both();
    auto second = stub().Both();
    for (auto* stream : {&first, &second}) {
      EXPECT_TRUE(stream->Write(BlobOf(size)));
      EXPECT_TRUE(stream->Read(&reply));
      EXPECT_EQ(stream->Finish(), absl::OkStatus());
    }
  }
}

// Before, during and after the handler's work.
std::vector<Play> StagesOf(MethodKind kind) {
  const bool reads = ClientStreams(kind), writes = ServerStreams(kind);
  Play during, after;
  if (reads) during.Read(1), after.ReadAll();
  if (writes) during.Write(1), after.Write(3);
  return {Play(), during, after};
}

TEST_P(CallSuite, CancelByTheServerIsNeverOk) {
  for (const MethodKind kind : kStreamKinds) {
    for (Play play : StagesOf(kind)) {
      ClientContext context;
      // The client learns of it while the handler still runs, which then returns OK.
      play.TryCancel().AwaitCancel().Await("client knows").In(context);
      StreamCall call(stub(), kind, context);
      for (int i = 0; i < 3 && call.Write(BlobOf(1)); ++i) {
      }
      call.WritesDone();
      Blob reply;
      while (call.Read(&reply)) {
      }
      EXPECT_THAT(call.Finish(), HasCode(kCancelled)) << static_cast<int>(kind);
      Raise("client knows");
    }
  }
}

TEST_P(CallSuite, CancelledAsAStatusIsNeverOk) {
  const absl::Status cancelled = absl::CancelledError("by the server");
  for (const MethodKind kind : kStreamKinds) {
    for (Play play : StagesOf(kind)) {
      ClientContext context;
      play.End(cancelled).In(context);
      StreamCall call(stub(), kind, context);
      for (int i = 0; i < 3 && call.Write(BlobOf(1)); ++i) {
      }
      call.WritesDone();
      Blob reply;
      while (call.Read(&reply)) {
      }
      EXPECT_EQ(call.Finish(), cancelled) << static_cast<int>(kind);
    }
  }
}

TEST_P(CallSuite, CancelOfAParentCancelsItsChild) {
  ClientContext context;
  Play().Nested(Waiting()).In(context);
  const Scripted::Stub stub(channel());
  std::thread caller([&] {
    Blob reply;
    EXPECT_THAT(stub.Unary(context, Blob(), &reply), HasCode(kCancelled));
  });
  Await("runs");
  context.TryCancel();
  caller.join();
  Await("cancelled");
}

}  // namespace
}  // namespace nigh::testing
