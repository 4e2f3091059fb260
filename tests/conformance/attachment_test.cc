// Bytes beside messages, of every size, in calls of each kind; and the limits.

#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "nigh/client_context.h"
#include "nigh/message_extras.h"
#include "nigh/transport/connection.h"
#include "tests/conformance/call_suite.h"
#include "tests/conformance/script.h"
#include "tests/contract/frames.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

ChannelOptions Accepting(size_t max_attachment) {
  return {.limits = {.max_attachment = max_attachment}};
}

ServerSettings Serving(int64_t max_attachment) {
  ServerSettings settings;
  settings.set_max_attachment(max_attachment);
  return settings;
}

class Attachments : public CallSuite {
 protected:
  // There and back, in a unary call and in a stream, beside a message.
  void ExpectEcho(const Scripted::Stub& stub, size_t size, size_t message = 3) {
    const Attachment attachment = AttachmentOf(size);
    const Blob blob = BlobOf(message);
    ClientContext context;
    context.SetAttachment(attachment);
    Blob reply;
    ASSERT_EQ(stub.Unary(context, blob, &reply), absl::OkStatus());
    EXPECT_TRUE(reply.body() == blob.body());
    EXPECT_TRUE(context.attachment().text() == attachment.text())
        << context.attachment().size() << " of " << size;
    ClientContext streamed;
    auto stream = stub.Both(streamed);
    for (int i = 0; i < 2; ++i) {
      streamed.SetAttachment(attachment);
      EXPECT_TRUE(stream.Write(blob));
      const std::optional<Blob> echo = stream.Read();
      ASSERT_TRUE(echo.has_value()) << stream.Finish();
      EXPECT_TRUE(echo->body() == blob.body());
      EXPECT_TRUE(streamed.attachment().text() == attachment.text());
    }
    EXPECT_EQ(stream.Finish(), absl::OkStatus());
  }
};
INSTANTIATE_TEST_SUITE_P(Peer, Attachments, ::testing::ValuesIn(Placements()), PlacementName);

TEST_P(Attachments, OfAFewBytes) {
  for (const size_t size : {1, 2, 15, 16, 100, 4096}) ExpectEcho(stub(), size);
}

TEST_P(Attachments, AroundTheLongestFrame) {
  const Address address = MakeAddress(server().address());
  const size_t longest = TheSubject().transport.dial(address).value()->max_payload();
  // Beside an empty message, and one of which the pieces end elsewhere.
  for (const size_t message : {size_t{0}, size_t{100}}) {
    for (const size_t size : {longest - 40, longest - 16, longest, longest + 1}) {
      ExpectEcho(stub(), size, message);
    }
  }
}

TEST_P(Attachments, BesideALongMessage) { ExpectEcho(stub(), Bytes(kMiB), Bytes(kMiB)); }

TEST_P(Attachments, OfAsMuchAsIsAccepted) { ExpectEcho(stub(), Bytes(64 * kMiB)); }

TEST_P(Attachments, NoneIsEmpty) {
  ClientContext context;
  context.SetAttachment(AttachmentOf(5));
  context.SetAttachment(Attachment());
  Blob reply;
  EXPECT_EQ(stub().Unary(context, BlobOf(1), &reply), absl::OkStatus());
  EXPECT_TRUE(context.attachment().empty());
}

TEST_P(Attachments, EachGoesWithItsMessage) {
  ClientContext context;
  auto stream = stub().Both(context);
  for (const size_t size : {size_t{10}, size_t{0}, Bytes(kMiB), size_t{0}, size_t{20}}) {
    if (size != 0) context.SetAttachment(AttachmentOf(size));
    EXPECT_TRUE(stream.Write(BlobOf(size + 1)));
    const std::optional<Blob> echo = stream.Read();
    ASSERT_TRUE(echo.has_value());
    EXPECT_EQ(echo->body().size(), size + 1);
    EXPECT_TRUE(context.attachment().text() == AttachmentOf(size).text()) << size;
  }
  EXPECT_EQ(stream.Finish(), absl::OkStatus());
}

TEST_P(Attachments, StreamedRequestsBringThem) {
  ClientContext context;
  auto requests = stub().Requests(context);
  const size_t size = Bytes(kMiB) / 4;
  for (int i = 0; i < 5; ++i) {
    context.SetAttachment(AttachmentOf(size));
    EXPECT_TRUE(requests.Write(BlobOf(1)));
  }
  const absl::StatusOr<Blob> reply = requests.Finish();
  ASSERT_EQ(reply.status(), absl::OkStatus());
  EXPECT_EQ(ReportIn(*reply).attachment_bytes(), 5 * size);
}

TEST_P(Attachments, StreamedRepliesBringThem) {
  ClientContext context;
  const auto size = static_cast<int64_t>(Bytes(kMiB) / 4);
  Play().Attach(size).Write(1).Write(1).Attach(7).Write(1).In(context);
  auto replies = stub().Replies(context, Blob());
  for (const size_t expected : {static_cast<size_t>(size), size_t{0}, size_t{7}}) {
    ASSERT_TRUE(replies.Read().has_value());
    EXPECT_TRUE(context.attachment().text() == AttachmentOf(expected).text()) << expected;
  }
  EXPECT_FALSE(replies.Read().has_value());
  EXPECT_EQ(replies.Finish(), absl::OkStatus());
}

TEST_P(Attachments, ComeBesideMetadata) {
  ClientContext context;
  context.AddMetadata("colour", "green");
  Play().Initial("first", "1").Attach(1000).Trailing("last", "2").Reply(10).In(context);
  Blob reply;
  EXPECT_EQ(stub().Unary(context, BlobOf(1), &reply), absl::OkStatus());
  EXPECT_EQ(reply.body().size(), 10U);
  EXPECT_EQ(context.attachment().size(), 1000U);
  EXPECT_EQ(context.initial_metadata().Get("first"), "1");
  EXPECT_EQ(context.trailing_metadata().Get("last"), "2");
}

TEST_P(Attachments, DoNotComeWithAnError) {
  ClientContext context;
  context.SetAttachment(AttachmentOf(10));
  Play().Attach(1000).End(absl::AbortedError("no")).In(context);
  Blob reply;
  EXPECT_THAT(stub().Unary(context, BlobOf(1), &reply), HasCode(kAborted));
  EXPECT_TRUE(context.attachment().empty());
}

TEST_P(Attachments, OutliveTheCallAndTheChannel) {
  std::vector<Attachment> kept;
  for (const size_t size : {size_t{10}, Bytes(kMiB)}) {
    const auto channel = Dial();
    ClientContext context;
    context.SetAttachment(AttachmentOf(size));
    Blob reply;
    ASSERT_EQ(Scripted::Stub(channel).Unary(context, BlobOf(1), &reply), absl::OkStatus());
    kept.push_back(context.attachment());
  }
  EXPECT_TRUE(kept[0].text() == AttachmentOf(10).text());
  EXPECT_TRUE(kept[1].text() == AttachmentOf(Bytes(kMiB)).text());
}

TEST_P(Attachments, AreSentOnAsTheyAre) {
  ClientContext context;
  context.SetAttachment(AttachmentOf(Bytes(kMiB)));
  Blob reply;
  ASSERT_EQ(stub().Unary(context, BlobOf(1), &reply), absl::OkStatus());
  ClientContext next;
  next.SetAttachment(context.attachment());
  ASSERT_EQ(stub().Unary(next, BlobOf(1), &reply), absl::OkStatus());
  EXPECT_TRUE(next.attachment().text() == AttachmentOf(Bytes(kMiB)).text());
}

TEST_P(Attachments, AreSentFromWhereTheyWereFilled) {
  ASSERT_EQ(channel()->WaitForReady(absl::Seconds(20)), absl::OkStatus());
  for (const size_t size : {size_t{100}, Bytes(kMiB)}) {
    absl::StatusOr<AttachmentBuffer> buffer = channel()->AllocateAttachment(size);
    ASSERT_EQ(buffer.status(), absl::OkStatus());
    const Attachment filled = AttachmentOf(size);
    ASSERT_EQ(buffer->size(), size);
    std::memcpy(buffer->bytes().data(), filled.bytes().data(), size);
    const Attachment attachment = *std::move(buffer);
    // Again and again, beside short messages and long ones.
    for (const size_t message : {size_t{3}, size_t{20'000}, size_t{0}}) {
      ClientContext context;
      context.SetAttachment(attachment);
      Blob reply;
      ASSERT_EQ(stub().Unary(context, BlobOf(message), &reply), absl::OkStatus());
      EXPECT_EQ(reply.body().size(), message);
      EXPECT_TRUE(context.attachment().text() == filled.text());
    }
    // And in several calls at once.
    ClientContext one;
    ClientContext two;
    auto first = stub().Both(one);
    auto second = stub().Both(two);
    one.SetAttachment(attachment);
    EXPECT_TRUE(first.Write(BlobOf(1)));
    two.SetAttachment(attachment);
    EXPECT_TRUE(second.Write(BlobOf(2)));
    EXPECT_TRUE(first.Read().has_value());
    EXPECT_TRUE(second.Read().has_value());
    EXPECT_TRUE(one.attachment().text() == filled.text());
    EXPECT_TRUE(two.attachment().text() == filled.text());
    EXPECT_EQ(first.Finish(), absl::OkStatus());
    EXPECT_EQ(second.Finish(), absl::OkStatus());
  }
}

TEST_P(Attachments, CostTheCreditOfAStream) {
  ServerSettings settings;
  settings.set_window(1000);
  Serve(settings);
  ClientContext context;
  Play().Raise("runs").Await("read").ReadAll().Report().In(context);
  auto requests = stub().Requests(context);
  EXPECT_TRUE(requests.Write(BlobOf(1)));
  Await("runs");
  // The first takes all that there is, and another has to wait.
  context.SetAttachment(AttachmentOf(2000));
  EXPECT_TRUE(requests.Write(BlobOf(1)));
  std::thread writes([&] {
    EXPECT_TRUE(requests.Write(BlobOf(1)));
    Raise("written");
  });
  // It would long have done so by now.
  for (int i = 0; i < 20; ++i) ExpectEcho(stub(), 1);
  EXPECT_EQ(Count("written"), 0);
  Raise("read");
  writes.join();
  const absl::StatusOr<Blob> reply = requests.Finish();
  ASSERT_EQ(reply.status(), absl::OkStatus());
  EXPECT_EQ(ReportIn(*reply).requests(), 3);
}

TEST_P(Attachments, TheLimitItselfIsAllowed) {
  Serve(Serving(1000));
  const Scripted::Stub stub(Dial(Accepting(1000)));
  ExpectEcho(stub, 1000);
}

TEST_P(Attachments, WithARequestOverTheLimitNeverReachTheHandler) {
  Serve(Serving(1000));
  ClientContext context;
  Play().Raise("runs").In(context);
  context.SetAttachment(AttachmentOf(1001));
  Blob reply;
  const absl::Status refused = stub().Unary(context, BlobOf(1), &reply);
  EXPECT_THAT(refused, HasCode(kResourceExhausted));
  EXPECT_THAT(std::string(refused.message()),
              ::testing::HasSubstr("an attachment of 1001 bytes, where the server accepts 1000"));
  EXPECT_EQ(Count("runs"), 0);
  ClientContext streamed;
  auto stream = stub().Both(streamed);
  EXPECT_TRUE(stream.Write(BlobOf(1)));
  streamed.SetAttachment(AttachmentOf(1001));
  EXPECT_FALSE(stream.Write(BlobOf(1)));
  EXPECT_THAT(stream.Finish(), HasCode(kResourceExhausted));
  ExpectEcho(stub(), 1000);
}

TEST_P(Attachments, WithAReplyOverTheLimitEndTheCall) {
  const Scripted::Stub stub(Dial(Accepting(1000)));
  ClientContext context;
  Play().Attach(1001).In(context);
  Blob reply;
  EXPECT_THAT(stub.Unary(context, BlobOf(1), &reply), HasCode(kResourceExhausted));
  ClientContext streamed;
  Play().Write(1).Attach(1001).Write(1).In(streamed);
  auto replies = stub.Replies(streamed, Blob());
  EXPECT_TRUE(replies.Read().has_value());
  EXPECT_FALSE(replies.Read().has_value());
  EXPECT_THAT(replies.Finish(), HasCode(kResourceExhausted));
}

TEST_P(Attachments, WhoTakesNoneSaysSo) {
  Serve(Serving(-1));
  ClientContext context;
  context.SetAttachment(AttachmentOf(1));
  Blob reply;
  const absl::Status refused = stub().Unary(context, BlobOf(1), &reply);
  EXPECT_THAT(refused, HasCode(kUnimplemented));
  EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr("limits.max_attachment"));
  ClientContext without;
  EXPECT_EQ(stub().Unary(without, BlobOf(1), &reply), absl::OkStatus());
}

}  // namespace
}  // namespace nigh::testing
