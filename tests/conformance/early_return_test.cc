// A handler that returns before its client has finished: the client learns of it, and gets what was
// sent before.

#include <cstdint>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "tests/conformance/call_suite.h"

namespace nigh::testing {
namespace {

const absl::Status kEnds[] = {absl::OkStatus(), absl::AbortedError("enough")};

TEST_P(CallSuite, EarlyReturnFromARequestStream) {
  for (const absl::Status& end : kEnds) {
    ClientContext context;
    Play().Read(1).Reply(7).End(end).In(context);
    StreamCall call(stub(), MethodKind::kClientStreaming, context);
    while (call.Write(BlobOf(1000))) {
    }
    EXPECT_EQ(call.Finish(), end);
    EXPECT_EQ(call.reply().body().size(), end.ok() ? 7u : 0u);
  }
}

TEST_P(CallSuite, EarlyReturnWithoutReadingARequest) {
  for (const absl::Status& end : kEnds) {
    ClientContext context;
    Play().End(end).In(context);
    StreamCall call(stub(), MethodKind::kClientStreaming, context);
    while (call.Write(BlobOf(1000))) {
    }
    EXPECT_EQ(call.Finish(), end);
  }
}

TEST_P(CallSuite, EarlyReturnFromAReplyStreamDeliversWhatWasSent) {
  for (const absl::Status& end : kEnds) {
    ClientContext context;
    Play().Write(3).End(end).In(context);
    StreamCall call(stub(), MethodKind::kServerStreaming, context);
    Blob reply;
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(call.Read(&reply));
    EXPECT_FALSE(call.Read(&reply));
    EXPECT_EQ(call.Finish(), end);
  }
}

TEST_P(CallSuite, EarlyReturnFromBidiFailsWritesAndDeliversWhatWasSent) {
  for (const absl::Status& end : kEnds) {
    ClientContext context;
    Play().Read(1).Write(3).End(end).In(context);
    StreamCall call(stub(), MethodKind::kBidiStreaming, context);
    while (call.Write(BlobOf(1000))) {
    }
    Blob reply;
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(call.Read(&reply));
    EXPECT_FALSE(call.Read(&reply));
    EXPECT_EQ(call.Finish(), end);
  }
}

TEST_P(CallSuite, EarlyReturnLeavesUnreadRepliesBehind) {
  const Scripted::Stub stub(Dial({.limits = {.window = static_cast<uint32_t>(Bytes(256 << 10))}}));
  for (const MethodKind kind : {MethodKind::kServerStreaming, MethodKind::kBidiStreaming}) {
    for (const absl::Status& end : kEnds) {
      ClientContext context;
      // More than the window: the writer waits until the client says that it will not read.
      Play().Write(100, 10'000).End(end).In(context);
      StreamCall call(stub, kind, context);
      EXPECT_EQ(call.Finish(), end);
    }
  }
}

TEST_P(CallSuite, EarlyReturnInTheMiddleOfALongRequest) {
  for (const absl::Status& end : kEnds) {
    ClientContext context;
    Play().End(end).In(context);
    StreamCall call(stub(), MethodKind::kBidiStreaming, context);
    call.Write(BlobOf(Bytes(3 << 20)));
    EXPECT_EQ(call.Finish(), end);
    // The call's id goes to this one.
    EXPECT_EQ(stub().Unary(BlobOf(Bytes(1 << 20))).status(), absl::OkStatus());
  }
}

}  // namespace
}  // namespace nigh::testing
