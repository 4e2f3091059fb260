// What a handler's status is at its client.

#include <limits>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "tests/conformance/call_suite.h"

namespace nigh::testing {
namespace {

constexpr char kDetailUrl[] = "type.googleapis.com/google.rpc.Status";

class Statuses : public CallSuite {
 protected:
  absl::Status UnaryStatus(const Play& play) {
    ClientContext context;
    play.In(context);
    Blob reply;
    return stub().Unary(context, Blob(), &reply);
  }
  absl::Status StreamStatus(MethodKind kind, const Play& play) {
    ClientContext context;
    play.In(context);
    return StreamCall(stub(), kind, context).Finish();
  }
};
INSTANTIATE_TEST_SUITE_P(Peer, Statuses, ::testing::ValuesIn(Placements()), PlacementName);

TEST_P(Statuses, EveryCodeArrives) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "what went wrong");
    EXPECT_EQ(UnaryStatus(Play().End(status)), status);
    for (const MethodKind kind : kStreamKinds) {
      EXPECT_EQ(StreamStatus(kind, Play().End(status)), status);
    }
  }
}

TEST_P(Statuses, CodesOutOfRangeAreUnknown) {
  for (const int code :
       {17, 99, -1, std::numeric_limits<int>::max(), std::numeric_limits<int>::min()}) {
    const absl::Status unknown = absl::UnknownError("strange");
    const absl::Status unary = UnaryStatus(Play().End(code, "strange"));
    EXPECT_EQ(unary, unknown) << code;
    EXPECT_EQ(unary.raw_code(), 2) << code;
    EXPECT_EQ(StreamStatus(MethodKind::kBidiStreaming, Play().End(code, "strange")), unknown);
  }
}

TEST_P(Statuses, OkCarriesNoMessage) {
  EXPECT_EQ(UnaryStatus(Play().End(0, "all is well", "detail")), absl::OkStatus());
}

TEST_P(Statuses, MessagesArriveByteForByte) {
  const std::string messages[] = {"",
                                  " ",
                                  "\t\r\n",
                                  std::string("nul \0 inside", 12),
                                  std::string(1, '\0'),
                                  "\u00e4\u263a\U0001F608",
                                  "100% %20 \\ \" percent"};
  for (const std::string& message : messages) {
    const absl::Status status = absl::AbortedError(message);
    EXPECT_EQ(UnaryStatus(Play().End(status)).message(), message);
    EXPECT_EQ(StreamStatus(MethodKind::kServerStreaming, Play().End(status)).message(), message);
  }
}

TEST_P(Statuses, DetailsMakeTheRoundTrip) {
  std::string detail;
  for (int byte = 0; byte < 256; ++byte) detail += static_cast<char>(byte);
  for (const absl::Status& status :
       {UnaryStatus(Play().End(absl::AbortedError("see details"), detail)),
        StreamStatus(MethodKind::kBidiStreaming,
                     Play().End(absl::AbortedError("see details"), detail))}) {
    EXPECT_THAT(status, HasCode(kAborted));
    EXPECT_EQ(status.message(), "see details");
    EXPECT_TRUE(status.GetPayload(kDetailUrl) == absl::Cord(detail));
  }
}

TEST_P(Statuses, ALongMessageIsCutAndTheCodeKept) {
  const std::string message(7000, 'm');
  ClientContext context;
  Play().End(absl::AbortedError(message)).In(context);
  const Scripted::Stub stub(Dial({.limits = {.max_metadata = 1000}}));
  Blob reply;
  const absl::Status status = stub.Unary(context, Blob(), &reply);
  EXPECT_THAT(status, HasCode(kAborted));
  EXPECT_TRUE(absl::StartsWith(message, status.message()));
  EXPECT_GE(status.message().size(), 500u);
  EXPECT_LE(status.message().size(), 1000u);
}

TEST_P(Statuses, LongTrailersAreLeftOutAndTheStatusKept) {
  for (const absl::Status& end : {absl::OkStatus(), absl::AbortedError("short")}) {
    ClientContext context;
    Play().Trailing("small", "1").Trailing("large", std::string(5000, 't')).End(end).In(context);
    const Scripted::Stub stub(Dial({.limits = {.max_metadata = 1000}}));
    Blob reply;
    EXPECT_EQ(stub.Unary(context, Blob(), &reply), end);
    EXPECT_EQ(context.trailing_metadata().Get("large"), std::nullopt);
  }
}

TEST_P(Statuses, LongDetailsAreLeftOutAndTheStatusKept) {
  ClientContext context;
  Play().End(absl::AbortedError("short"), std::string(5000, 'd')).In(context);
  const Scripted::Stub stub(Dial({.limits = {.max_metadata = 1000}}));
  Blob reply;
  const absl::Status status = stub.Unary(context, Blob(), &reply);
  EXPECT_THAT(status, HasCode(kAborted));
  EXPECT_EQ(status.message(), "short");
}

TEST_P(Statuses, ErrorsCarryNoReply) {
  ClientContext context;
  Play().Reply(5).End(absl::AbortedError("no")).In(context);
  Blob reply = BlobOf(3);
  EXPECT_THAT(stub().Unary(context, Blob(), &reply), HasCode(kAborted));
}

}  // namespace
}  // namespace nigh::testing
