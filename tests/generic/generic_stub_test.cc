// GenericStub against services that know their types.

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/generic_stub.h"
#include "nigh/method.h"
#include "tests/conformance/call_suite.h"

namespace nigh::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kUnary[] = "/nigh.testing.Scripted/Unary";
constexpr char kRequests[] = "/nigh.testing.Scripted/Requests";
constexpr char kReplies[] = "/nigh.testing.Scripted/Replies";
constexpr char kBoth[] = "/nigh.testing.Scripted/Both";

std::string BytesOf(size_t size) { return BlobOf(size).SerializeAsString(); }

size_t BodySize(const std::string& bytes) {
  Blob blob;
  EXPECT_TRUE(blob.ParseFromString(bytes));
  return blob.body().size();
}

TEST_P(CallSuite, GenericUnaryCallCarriesBytesBothWays) {
  const GenericStub stub(channel());
  for (const size_t size : {0, 1, 100, 1'000'000}) {
    const absl::StatusOr<std::string> reply = stub.Call(kUnary, BytesOf(size));
    ASSERT_EQ(reply.status(), absl::OkStatus());
    EXPECT_EQ(*reply, BytesOf(size));
  }
}

TEST_P(CallSuite, GenericServerStreamGetsEachReply) {
  ClientContext context;
  Play().Write(3, 10).In(context);
  auto replies = GenericStub(channel()).CallServerStreaming(context, kReplies, "");
  int count = 0;
  while (std::optional<std::string> reply = replies.Read()) {
    EXPECT_EQ(BodySize(*reply), 10);
    ++count;
  }
  EXPECT_EQ(count, 3);
  EXPECT_EQ(replies.Finish(), absl::OkStatus());
}

TEST_P(CallSuite, GenericClientStreamSendsEachRequest) {
  ClientContext context;
  Play().ReadAll().Report().In(context);
  auto requests = GenericStub(channel()).CallClientStreaming(context, kRequests);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(requests.Write(BytesOf(100)));
  const absl::StatusOr<std::string> reply = requests.Finish();
  ASSERT_EQ(reply.status(), absl::OkStatus());
  Blob blob;
  ASSERT_TRUE(blob.ParseFromString(*reply));
  EXPECT_EQ(ReportIn(blob).requests(), 3);
  EXPECT_EQ(ReportIn(blob).request_bytes(), 300);
}

TEST_P(CallSuite, GenericBidiStreamTalksInTurns) {
  auto stream = GenericStub(channel()).CallBidiStreaming(kBoth);
  for (const size_t size : {0, 1, 1000}) {
    EXPECT_TRUE(stream.Write(BytesOf(size)));
    EXPECT_EQ(stream.Read(), BytesOf(size));
  }
  EXPECT_TRUE(stream.WritesDone());
  EXPECT_EQ(stream.Read(), std::nullopt);
  EXPECT_EQ(stream.Finish(), absl::OkStatus());
}

TEST_P(CallSuite, GenericServerStreamCallsAUnaryMethod) {
  auto replies = GenericStub(channel()).CallServerStreaming(kUnary, BytesOf(7));
  EXPECT_EQ(replies.Read(), BytesOf(7));
  EXPECT_EQ(replies.Read(), std::nullopt);
  EXPECT_EQ(replies.Finish(), absl::OkStatus());
}

TEST_P(CallSuite, GenericBidiStreamCallsAClientStreamingMethod) {
  ClientContext context;
  Play().ReadAll().Reply(5).In(context);
  auto stream = GenericStub(channel()).CallBidiStreaming(context, kRequests);
  EXPECT_TRUE(stream.WriteLast(BytesOf(1)));
  const std::optional<std::string> reply = stream.Read();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(BodySize(*reply), 5);
  EXPECT_EQ(stream.Read(), std::nullopt);
  EXPECT_EQ(stream.Finish(), absl::OkStatus());
}

TEST_P(CallSuite, GenericCallOfTheWrongKindIsUnimplemented) {
  const GenericStub stub(channel());
  ClientContext context;
  Play().Write(2).In(context);
  std::string reply;
  EXPECT_THAT(stub.Call(context, kReplies, "", &reply), HasCode(kUnimplemented));
  EXPECT_THAT(stub.CallBidiStreaming(kUnary).Finish(), HasCode(kUnimplemented));
}

TEST_P(CallSuite, GenericCallSeesMetadataAndStatus) {
  ClientContext context;
  Play()
      .Initial("early", "1")
      .Trailing("late-bin", std::string("\0\xff", 2))
      .End(absl::AbortedError("enough"), "details")
      .In(context);
  std::string reply = "as it was";
  const absl::Status status = GenericStub(channel()).Call(context, kUnary, "", &reply);
  EXPECT_EQ(status.code(), kAborted);
  EXPECT_EQ(status.message(), "enough");
  EXPECT_EQ(status.GetPayload("type.googleapis.com/google.rpc.Status"), "details");
  EXPECT_EQ(context.initial_metadata().Get("early"), "1");
  EXPECT_EQ(context.trailing_metadata().Get("late-bin"), absl::string_view("\0\xff", 2));
  EXPECT_EQ(reply, "as it was");
}

TEST_P(CallSuite, GenericCallHasADeadline) {
  ClientContext context;
  Play().AwaitCancel().In(context);
  context.set_timeout(absl::Milliseconds(20));
  std::string reply;
  EXPECT_THAT(GenericStub(channel()).Call(context, kUnary, "", &reply), HasCode(kDeadlineExceeded));
  EXPECT_THAT(GenericStub(channel()).Call(kUnary, "", {.timeout = absl::ZeroDuration()}).status(),
              HasCode(kDeadlineExceeded));
}

TEST_P(CallSuite, GenericStreamCanBeCancelled) {
  ClientContext context;
  Play().Raise("runs").AwaitCancel().Raise("cancelled").In(context);
  auto stream = GenericStub(channel()).CallBidiStreaming(context, kBoth);
  Await("runs");
  stream.TryCancel();
  EXPECT_EQ(stream.Read(), std::nullopt);
  EXPECT_THAT(stream.Finish(), HasCode(kCancelled));
  Await("cancelled");
}

TEST_P(CallSuite, GenericCallOfAnUnknownMethodIsUnimplementedByTheServer) {
  const GenericStub stub(channel());
  const absl::Status method = stub.Call("/nigh.testing.Scripted/Fly", "").status();
  EXPECT_THAT(method, HasCode(kUnimplemented));
  EXPECT_THAT(method.message(), HasSubstr("no such method"));
  const absl::Status service = stub.Call("/nobody.Nowhere/Fly", "").status();
  EXPECT_THAT(service, HasCode(kUnimplemented));
  EXPECT_THAT(service.message(), HasSubstr("no such service"));
}

TEST_P(CallSuite, GenericCallOfWhatIsNoMethodNameIsInternal) {
  const GenericStub stub(channel());
  for (const std::string& name :
       {std::string(), std::string("SayHello"), std::string("/"), std::string("//Method"),
        std::string("/Service"), std::string("/Service/"), std::string("/Service/The Method"),
        std::string("/Service/M\0", 11), "/Service/" + std::string(kMaxMethodName, 'M')}) {
    const absl::Status status = stub.Call(name, "").status();
    EXPECT_THAT(status, HasCode(kInternal)) << name;
    EXPECT_THAT(status.message(), HasSubstr("/package.Service/Method")) << name;
    auto stream = stub.CallBidiStreaming(name);
    EXPECT_FALSE(stream.Write(""));
    EXPECT_THAT(stream.Finish(), HasCode(kInternal)) << name;
  }
  const std::string longest = "/Service/" + std::string(kMaxMethodName - 9, 'M');
  EXPECT_THAT(stub.Call(longest, "").status(), HasCode(kUnimplemented));
}

TEST_P(CallSuite, GenericBytesThatAreNoMessageAreInternal) {
  EXPECT_THAT(GenericStub(channel()).Call(kUnary, "\xff").status(), HasCode(kInternal));
}

TEST_P(CallSuite, GenericStreamOutlivesItsStubAndChannel) {
  std::shared_ptr<Channel> channel = Dial();
  auto stream = GenericStub(channel).CallBidiStreaming(kBoth);
  channel = nullptr;
  EXPECT_TRUE(stream.WriteLast(BytesOf(1)));
  EXPECT_EQ(stream.Read(), BytesOf(1));
  stream.TryCancel();
  EXPECT_THAT(stream.Finish(), ::testing::AnyOf(HasCode(kOk), HasCode(kCancelled)));
}

TEST_P(CallSuite, ANameUsesOneNumberOnTheChannelHoweverOftenItIsCalled) {
  const GenericStub stub(channel());
  for (size_t i = 0; i < kMaxMethods + 1; ++i) {
    ASSERT_EQ(GenericStub(channel()).Call(kUnary, "").status(), absl::OkStatus());
  }
  // All numbers but that one, and then there is none left for another name.
  for (size_t i = 1; i < kMaxMethods; ++i) {
    ASSERT_THAT(stub.Call(absl::StrCat("/nobody.Nowhere/", i), "").status(),
                HasCode(kUnimplemented));
  }
  const absl::Status status = stub.Call("/nobody.Nowhere/OneMore", "").status();
  EXPECT_THAT(status, HasCode(kResourceExhausted));
  EXPECT_THAT(status.message(), AllOf(HasSubstr("4096"), HasSubstr("use a second one")));
  EXPECT_EQ(stub.Call(kUnary, "").status(), absl::OkStatus());
}

TEST_P(CallSuite, NamesThatAreNoneAreNotRememberedForEver) {
  const GenericStub stub(channel());
  for (size_t i = 0; i < kMaxMethods; ++i) {
    ASSERT_THAT(stub.Call(absl::StrCat("no method ", i), "").status(), HasCode(kInternal));
  }
  EXPECT_THAT(stub.Call("no method more", "").status(), HasCode(kResourceExhausted));
}

}  // namespace
}  // namespace nigh::testing
