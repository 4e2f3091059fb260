// Messages of every size, and the limits.

#include <cstddef>
#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "nigh/transport/connection.h"
#include "tests/conformance/call_suite.h"
#include "tests/contract/frames.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kHuge = 64 * kMiB;

// A blob that takes so many bytes on the wire.
Blob BlobOfWireSize(size_t size) {
  Blob blob = BlobOf(size);
  while (blob.ByteSizeLong() > size) blob.mutable_body()->pop_back();
  EXPECT_EQ(blob.ByteSizeLong(), size);
  return blob;
}

ChannelOptions Accepting(size_t max_message) { return {.limits = {.max_message = max_message}}; }

ServerSettings Serving(size_t max_message) {
  ServerSettings settings;
  settings.set_max_message(static_cast<int64_t>(max_message));
  return settings;
}

class Sizes : public CallSuite {
 protected:
  // There and back, in a unary call and in a stream.
  void ExpectEcho(const Scripted::Stub& stub, const Blob& blob) {
    const absl::StatusOr<Blob> reply = stub.Unary(blob);
    ASSERT_EQ(reply.status(), absl::OkStatus());
    EXPECT_TRUE(reply->body() == blob.body());
    auto stream = stub.Both();
    EXPECT_TRUE(stream.Write(blob));
    const std::optional<Blob> echo = stream.Read();
    ASSERT_TRUE(echo.has_value()) << stream.Finish();
    EXPECT_TRUE(echo->body() == blob.body());
    EXPECT_EQ(stream.Finish(), absl::OkStatus());
  }
};
INSTANTIATE_TEST_SUITE_P(Peer, Sizes, ::testing::ValuesIn(Placements()), PlacementName);

// Of more bytes than a slow medium moves.
class GreatSizes : public Sizes {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GreatSizes);
INSTANTIATE_TEST_SUITE_P(Peer, GreatSizes,
                         ::testing::ValuesIn(TheSubject().slow ? std::vector<Placement>()
                                                               : Placements()),
                         PlacementName);

TEST_P(Sizes, NothingAndNearlyNothing) {
  for (const size_t size : {0, 1, 2, 3}) ExpectEcho(stub(), BlobOf(size));
}

TEST_P(Sizes, AroundTheLongestFrame) {
  const Address address = MakeAddress(server().address());
  const size_t longest = TheSubject().transport.dial(address).value()->max_payload();
  for (const size_t size : {longest - 1, longest, longest + 1}) {
    ExpectEcho(stub(), BlobOfWireSize(size));
  }
}

TEST_P(GreatSizes, AroundTwiceTheLongestFrame) {
  const Address address = MakeAddress(server().address());
  const size_t longest = TheSubject().transport.dial(address).value()->max_payload();
  for (const size_t size : {2 * longest - 1, 2 * longest, 2 * longest + 1}) {
    ExpectEcho(stub(), BlobOfWireSize(size));
  }
}

TEST_P(Sizes, OneMebibyte) { ExpectEcho(stub(), BlobOf(Bytes(kMiB))); }

TEST_P(Sizes, SixtyFourMebibytesWhereTheLimitsAreRaised) {
  Serve(Serving(2 * kHuge));
  ExpectEcho(Scripted::Stub(Dial(Accepting(2 * kHuge))), BlobOf(Bytes(kHuge)));
}

TEST_P(Sizes, TheLimitItselfIsAllowed) {
  Serve(Serving(1000));
  const Scripted::Stub stub(Dial(Accepting(1000)));
  ExpectEcho(stub, BlobOfWireSize(1000));
}

TEST_P(Sizes, ARequestOverTheLimitNeverReachesTheHandler) {
  Serve(Serving(1000));
  ClientContext context;
  Play().Raise("runs").In(context);
  Blob reply;
  EXPECT_THAT(stub().Unary(context, BlobOfWireSize(1001), &reply), HasCode(kResourceExhausted));
  ClientContext streamed;
  Play().Raise("runs").In(streamed);
  auto replies = stub().Replies(streamed, BlobOfWireSize(1001));
  EXPECT_FALSE(replies.Read().has_value());
  EXPECT_THAT(replies.Finish(), HasCode(kResourceExhausted));
  EXPECT_EQ(Count("runs"), 0);
  ExpectEcho(stub(), BlobOfWireSize(1000));
}

TEST_P(Sizes, AStreamsRequestOverTheLimitEndsTheCall) {
  Serve(Serving(1000));
  for (const MethodKind kind : {MethodKind::kClientStreaming, MethodKind::kBidiStreaming}) {
    const int before = Count("over");
    ClientContext context;
    Play().Read(1).Raise("first").ReadAll().Raise("over").In(context);
    StreamCall call(stub(), kind, context);
    EXPECT_TRUE(call.Write(BlobOfWireSize(1000)));
    Await("first", before + 1);
    EXPECT_FALSE(call.Write(BlobOfWireSize(1001)));
    EXPECT_THAT(call.Finish(), HasCode(kResourceExhausted));
    Await("over", before + 1);
  }
  ExpectEcho(stub(), BlobOf(10));
}

TEST_P(Sizes, AReplyOverTheLimitIsAnError) {
  const Scripted::Stub stub(Dial(Accepting(1000)));
  ClientContext context;
  Play().Reply(1000).In(context);
  Blob reply;
  EXPECT_THAT(stub.Unary(context, Blob(), &reply), HasCode(kResourceExhausted));
  for (const MethodKind kind : {MethodKind::kServerStreaming, MethodKind::kBidiStreaming}) {
    ClientContext streamed;
    Play().Write(1, 10).Write(1, 1000).In(streamed);
    StreamCall call(stub, kind, streamed);
    EXPECT_TRUE(call.Read(&reply));
    EXPECT_FALSE(call.Read(&reply));
    EXPECT_THAT(call.Finish(), HasCode(kResourceExhausted));
  }
  ExpectEcho(stub, BlobOfWireSize(1000));
}

TEST_P(GreatSizes, AMessageOverTheUsualLimitIsRefused) {
  EXPECT_THAT(stub().Unary(BlobOf(4 * kMiB)).status(), HasCode(kResourceExhausted));
  ClientContext context;
  Play().Reply(4 * kMiB).In(context);
  Blob reply;
  EXPECT_THAT(stub().Unary(context, Blob(), &reply), HasCode(kResourceExhausted));
}

// Neither side reads before it has written.
TEST_P(Sizes, BothSidesPushOneHugeMessageAtOnce) {
  Serve(Serving(2 * kHuge));
  ClientContext context;
  Play().Write(1, static_cast<int64_t>(Bytes(kHuge))).ReadAll().Report().In(context);
  const Scripted::Stub stub(Dial(Accepting(2 * kHuge)));
  StreamCall call(stub, MethodKind::kBidiStreaming, context);
  EXPECT_TRUE(call.Write(BlobOf(Bytes(kHuge))));
  EXPECT_TRUE(call.WritesDone());
  Blob reply;
  ASSERT_TRUE(call.Read(&reply));
  EXPECT_EQ(reply.body().size(), Bytes(kHuge));
  ASSERT_TRUE(call.Read(&reply));
  EXPECT_EQ(ReportIn(reply).request_bytes(), static_cast<int64_t>(Bytes(kHuge)));
  EXPECT_EQ(call.Finish(), absl::OkStatus());
}

TEST_P(Sizes, BothSidesPushManyMessagesAtOnce) {
  const int count = Times(64);
  auto stream = stub().Both();
  std::thread writer([&] {
    for (int i = 0; i < count; ++i) EXPECT_TRUE(stream.Write(BlobOf(Bytes(kMiB))));
    EXPECT_TRUE(stream.WritesDone());
  });
  int replies = 0;
  for (Blob reply; stream.Read(&reply); ++replies) EXPECT_EQ(reply.body().size(), Bytes(kMiB));
  writer.join();
  EXPECT_EQ(replies, count);
  EXPECT_EQ(stream.Finish(), absl::OkStatus());
}

TEST_P(Sizes, AWrittenMessageArrivesThoughItsWriterDoesNothingMore) {
  ClientContext context;
  Play().Read(1).Raise("has it").ReadAll().In(context);
  StreamCall call(stub(), MethodKind::kClientStreaming, context);
  EXPECT_TRUE(call.Write(BlobOf(Bytes(3 * kMiB))));
  Await("has it");
  EXPECT_EQ(call.Finish(), absl::OkStatus());
}

}  // namespace
}  // namespace nigh::testing
