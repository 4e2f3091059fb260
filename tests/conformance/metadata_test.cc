// Keys and values beside the messages.

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/call_suite.h"

namespace nigh::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string EveryByte() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  return bytes;
}

// What the handler got, without its script.
std::vector<std::pair<std::string, std::string>> Received(const Blob& reply) {
  std::vector<std::pair<std::string, std::string>> entries;
  const Report report = ReportIn(reply);
  for (const Entry& entry : report.metadata()) {
    if (entry.key() != kScriptKey) entries.emplace_back(entry.key(), entry.value());
  }
  return entries;
}

TEST_P(CallSuite, MetadataReachesTheHandlerInOrder) {
  ClientContext context;
  Play().Report().In(context);
  const std::vector<std::pair<std::string, std::string>> sent = {
      {"b", "2"}, {"a", "1"}, {"b", ""}, {"b", "2"}, {"x.y_z-0", " ~"}, {"every-bin", EveryByte()}};
  for (const auto& [key, value] : sent) context.AddMetadata(key, value);
  Blob reply;
  ASSERT_EQ(stub().Unary(context, Blob(), &reply), absl::OkStatus());
  EXPECT_EQ(Received(reply), sent);
}

TEST_P(CallSuite, MetadataOfTheServerReachesTheClientInOrder) {
  for (const MethodKind kind : kStreamKinds) {
    ClientContext context;
    Play()
        .Initial("i", "1")
        .Initial("i", "2")
        .Initial("i-bin", EveryByte())
        .Trailing("t-bin", EveryByte())
        .Trailing("t", "")
        .Trailing("t", "2")
        .In(context);
    StreamCall call(stub(), kind, context);
    EXPECT_EQ(call.Finish(), absl::OkStatus());
    EXPECT_THAT(context.initial_metadata().GetAll("i"), ElementsAre("1", "2"));
    EXPECT_EQ(context.initial_metadata().Get("i-bin"), EveryByte());
    EXPECT_EQ(context.trailing_metadata().Get("t-bin"), EveryByte());
    EXPECT_THAT(context.trailing_metadata().GetAll("t"), ElementsAre("", "2"));
  }
}

TEST_P(CallSuite, MetadataComesWithAnErrorToo) {
  ClientContext context;
  Play().Initial("i", "1").Trailing("t", "2").End(absl::AbortedError("no")).In(context);
  Blob reply;
  EXPECT_THAT(stub().Unary(context, Blob(), &reply), HasCode(kAborted));
  EXPECT_EQ(context.initial_metadata().Get("i"), "1");
  EXPECT_EQ(context.trailing_metadata().Get("t"), "2");
}

TEST_P(CallSuite, InitialMetadataComesBeforeTheFirstMessage) {
  ClientContext context;
  Play().Initial("i", "1").SendInitial().Await("go").Write(1).In(context);
  auto replies = stub().Replies(context, Blob());
  replies.WaitForInitialMetadata();
  EXPECT_EQ(context.initial_metadata().Get("i"), "1");
  Raise("go");
  EXPECT_TRUE(replies.Read().has_value());
  EXPECT_EQ(replies.Finish(), absl::OkStatus());
}

TEST_P(CallSuite, InitialMetadataGoesWithTheFirstMessage) {
  ClientContext context;
  Play().Initial("i", "1").Write(1).Await("go").In(context);
  auto replies = stub().Replies(context, Blob());
  EXPECT_TRUE(replies.Read().has_value());
  EXPECT_EQ(context.initial_metadata().Get("i"), "1");
  Raise("go");
  EXPECT_EQ(replies.Finish(), absl::OkStatus());
}

TEST_P(CallSuite, MetadataIsNotForwardedToNestedCalls) {
  ClientContext context;
  Play().Nested(Play().Report()).In(context);
  context.AddMetadata("mine", "1");
  Blob reply;
  ASSERT_EQ(stub().Unary(context, Blob(), &reply), absl::OkStatus());
  EXPECT_THAT(Received(reply), IsEmpty());
}

TEST_P(CallSuite, IllegalMetadataFailsItsCallAlone) {
  const std::pair<std::string, std::string> illegal[] = {
      {"", "v"},         {"Upper", "v"},     {"sp ace", "v"}, {"nigh-x", "v"},  {"grpc-x", "v"},
      {"\xc3\xa4", "v"}, {"k", "new\nline"}, {"k", "\x7f"},   {"k", "\xc3\xa4"}};
  for (const auto& [key, value] : illegal) {
    ClientContext context;
    Play().Raise("runs").In(context);
    context.AddMetadata(key, value);
    Blob reply;
    EXPECT_THAT(stub().Unary(context, Blob(), &reply), HasCode(kInternal)) << key;
    EXPECT_EQ(stub().Unary(Blob()).status(), absl::OkStatus());
  }
  EXPECT_EQ(Count("runs"), 0);
}

TEST_P(CallSuite, IllegalMetadataOfTheHandlerFailsItsCallAlone) {
  for (const Play& play : {Play().Initial("Upper", "v"), Play().Trailing("Upper", "v")}) {
    ClientContext context;
    play.In(context);
    Blob reply;
    const absl::Status status = stub().Unary(context, Blob(), &reply);
    EXPECT_THAT(status, HasCode(kInternal));
    EXPECT_THAT(std::string(status.message()), HasSubstr("Upper"));
    EXPECT_EQ(stub().Unary(Blob()).status(), absl::OkStatus());
  }
}

TEST_P(CallSuite, MetadataUpToTheLimitTravels) {
  ServerSettings settings;
  settings.set_max_metadata(1000);
  Serve(settings);
  ClientContext context;
  context.AddMetadata("key", std::string(997, 'v'));
  Blob reply;
  EXPECT_EQ(stub().Unary(context, Blob(), &reply), absl::OkStatus());
}

TEST_P(CallSuite, MetadataOverTheLimitNeverReachesTheHandler) {
  ClientContext context;
  Play().Raise("runs").In(context);
  context.AddMetadata("key", std::string(8192, 'v'));
  Blob reply;
  EXPECT_THAT(stub().Unary(context, Blob(), &reply), HasCode(kResourceExhausted));
  EXPECT_EQ(Count("runs"), 0);
  EXPECT_EQ(stub().Unary(Blob()).status(), absl::OkStatus());
}

TEST_P(CallSuite, InitialMetadataOverTheLimitEndsAStream) {
  ClientContext context;
  Play().Initial("key", std::string(3000, 'v')).Write(1).In(context);
  const Scripted::Stub stub(Dial({.limits = {.max_metadata = 1000}}));
  StreamCall call(stub, MethodKind::kServerStreaming, context);
  Blob reply;
  EXPECT_FALSE(call.Read(&reply));
  EXPECT_THAT(call.Finish(), HasCode(kResourceExhausted));
  EXPECT_EQ(stub.Unary(Blob()).status(), absl::OkStatus());
}

}  // namespace
}  // namespace nigh::testing
