// Deadlines, kept by both sides.

#include <deque>
#include <iterator>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/conformance/call_suite.h"

namespace nigh::testing {
namespace {

constexpr int64_t kHourNanos = int64_t{3600} * 1'000'000'000;

TEST_P(CallSuite, OneMillisecondAgainstASleepingHandler) {
  ClientContext context;
  Play().AwaitCancel().Raise("cancelled").In(context);
  Blob reply;
  ASSERT_EQ(channel()->WaitForReady(absl::InfiniteDuration()), absl::OkStatus());
  context.set_timeout(absl::Milliseconds(1));
  EXPECT_THAT(stub().Unary(context, Blob(), &reply), HasCode(kDeadlineExceeded));
}

TEST_P(CallSuite, ADeadlineThatPassesReachesTheHandler) {
  const int kinds = static_cast<int>(std::size(kStreamKinds));
  int begun = 0;
  // A handler is not run after the deadline, and on a busy machine it takes long to begin.
  for (absl::Duration timeout = absl::Milliseconds(300); timeout < absl::Minutes(1); timeout *= 2) {
    std::deque<ClientContext> contexts;
    std::deque<StreamCall> calls;
    for (const MethodKind kind : kStreamKinds) {
      ClientContext& context = contexts.emplace_back();
      Play().Raise("begun").AwaitCancel().Raise("cancelled").In(context);
      context.set_timeout(timeout);
      calls.emplace_back(stub(), kind, context);
    }
    for (StreamCall& call : calls) EXPECT_THAT(call.Finish(), HasCode(kDeadlineExceeded));
    const int before = std::exchange(begun, Count("begun"));
    Await("cancelled", begun);
    if (begun - before >= kinds) return;
  }
  ADD_FAILURE() << "no handler has begun in time";
}

TEST_P(CallSuite, ADeadlineEndsAWriterWithoutCredit) {
  ClientContext context;
  Play().AwaitCancel().In(context);
  context.set_timeout(absl::Milliseconds(50));
  StreamCall call(stub(), MethodKind::kClientStreaming, context);
  while (call.Write(BlobOf(10'000))) {
  }
  EXPECT_THAT(call.Finish(), HasCode(kDeadlineExceeded));
}

TEST_P(CallSuite, ADeadlineEndsAReaderAndTheWaitForMetadata) {
  ClientContext context;
  Play().AwaitCancel().In(context);
  context.set_timeout(absl::Milliseconds(50));
  auto call = stub().Replies(context, Blob());
  call.WaitForInitialMetadata();
  EXPECT_FALSE(call.Read().has_value());
  EXPECT_THAT(call.Finish(), HasCode(kDeadlineExceeded));
}

TEST_P(CallSuite, AnHourIsKnownToTheHandler) {
  ClientContext context;
  Play().Report().In(context);
  context.set_timeout(absl::Hours(1));
  Blob reply;
  ASSERT_EQ(stub().Unary(context, Blob(), &reply), absl::OkStatus());
  const Report report = ReportIn(reply);
  EXPECT_TRUE(report.has_deadline());
  EXPECT_GT(report.nanos_left(), kHourNanos / 2);
  EXPECT_LE(report.nanos_left(), kHourNanos);
  EXPECT_FALSE(report.cancelled());
}

TEST_P(CallSuite, AnAbsoluteDeadlineTravelsAsTimeLeft) {
  ClientContext context;
  Play().Report().In(context);
  context.set_deadline(absl::Now() + absl::Hours(1));
  Blob reply;
  ASSERT_EQ(stub().Unary(context, Blob(), &reply), absl::OkStatus());
  EXPECT_GT(ReportIn(reply).nanos_left(), kHourNanos / 2);
  EXPECT_LE(ReportIn(reply).nanos_left(), kHourNanos + 1'000'000'000);
}

TEST_P(CallSuite, NoDeadlineIsForEver) {
  for (const bool explicitly : {false, true}) {
    ClientContext context;
    Play().Report().In(context);
    if (explicitly) context.set_timeout(absl::InfiniteDuration());
    Blob reply;
    ASSERT_EQ(stub().Unary(context, Blob(), &reply), absl::OkStatus());
    EXPECT_FALSE(ReportIn(reply).has_deadline());
  }
}

TEST_P(CallSuite, APastDeadlineFailsAtOnceAndRunsNoHandler) {
  for (const absl::Duration timeout :
       {absl::ZeroDuration(), absl::Hours(-1), -absl::InfiniteDuration()}) {
    ClientContext context;
    Play().Raise("runs").In(context);
    context.set_timeout(timeout);
    Blob reply;
    EXPECT_THAT(stub().Unary(context, Blob(), &reply), HasCode(kDeadlineExceeded));
    for (const MethodKind kind : kStreamKinds) {
      ClientContext streamed;
      Play().Raise("runs").In(streamed);
      streamed.set_timeout(timeout);
      EXPECT_THAT(StreamCall(stub(), kind, streamed).Finish(), HasCode(kDeadlineExceeded));
    }
  }
  EXPECT_EQ(Count("runs"), 0);
}

TEST_P(CallSuite, ACallWithinItsDeadlineIsLeftAlone) {
  EXPECT_EQ(stub().Unary(BlobOf(1), {.timeout = absl::Seconds(60)}).status(), absl::OkStatus());
}

TEST_P(CallSuite, ANestedCallInheritsTheDeadline) {
  ClientContext context;
  Play().Nested(Play().Report()).In(context);
  context.set_timeout(absl::Hours(1));
  Blob reply;
  ASSERT_EQ(stub().Unary(context, Blob(), &reply), absl::OkStatus());
  EXPECT_TRUE(ReportIn(reply).has_deadline());
  EXPECT_LE(ReportIn(reply).nanos_left(), kHourNanos);
}

TEST_P(CallSuite, ANestedCallEndsWithItsParentsDeadline) {
  // On a machine that does other things besides, the nested handler may begin too late.
  for (absl::Duration timeout = absl::Milliseconds(300); Count("runs") == 0; timeout *= 3) {
    ClientContext context;
    Play().Nested(Play().Raise("runs").AwaitCancel().Raise("cancelled")).In(context);
    context.set_timeout(timeout);
    Blob reply;
    EXPECT_THAT(stub().Unary(context, Blob(), &reply), HasCode(kDeadlineExceeded));
  }
  Await("cancelled");
}

TEST_P(CallSuite, ACancelledStatusAfterTheDeadlineIsDeadlineExceeded) {
  ClientContext context;
  Play().AwaitCancel().End(absl::CancelledError("seen")).In(context);
  context.set_timeout(absl::Milliseconds(50));
  Blob reply;
  EXPECT_THAT(stub().Unary(context, Blob(), &reply), HasCode(kDeadlineExceeded));
}

}  // namespace
}  // namespace nigh::testing
