// Streams: their ends, and how fast they may go.

#include <atomic>
#include <latch>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/conformance/call_suite.h"

namespace nigh::testing {
namespace {

TEST_P(CallSuite, ReadAfterTheEndReturnsNothingAgainAndAgain) {
  for (const MethodKind kind : {MethodKind::kServerStreaming, MethodKind::kBidiStreaming}) {
    ClientContext context;
    Play().Write(2).In(context);
    StreamCall call(stub(), kind, context);
    Blob reply;
    EXPECT_TRUE(call.Read(&reply) && call.Read(&reply));
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(call.Read(&reply));
    EXPECT_EQ(call.Finish(), absl::OkStatus());
    EXPECT_FALSE(call.Read(&reply));
  }
}

TEST_P(CallSuite, WriteAfterWritesDoneFails) {
  for (const MethodKind kind : {MethodKind::kClientStreaming, MethodKind::kBidiStreaming}) {
    ClientContext context;
    Play().ReadAll().In(context);
    StreamCall call(stub(), kind, context);
    EXPECT_TRUE(call.Write(BlobOf(1)));
    EXPECT_TRUE(call.WritesDone());
    EXPECT_FALSE(call.Write(BlobOf(1)));
    EXPECT_FALSE(call.WritesDone());
    EXPECT_EQ(call.Finish(), absl::OkStatus());
    EXPECT_FALSE(call.Write(BlobOf(1)));
  }
}

TEST_P(CallSuite, TheLastRequestMayEndTheStream) {
  auto requests = stub().Requests();
  EXPECT_TRUE(requests.Write(BlobOf(1)));
  EXPECT_TRUE(requests.WriteLast(BlobOf(2)));
  EXPECT_FALSE(requests.Write(BlobOf(3)));
  const absl::StatusOr<Blob> reply = requests.Finish();
  ASSERT_EQ(reply.status(), absl::OkStatus());
  EXPECT_EQ(ReportIn(*reply).requests(), 2);
  EXPECT_EQ(ReportIn(*reply).request_bytes(), 3);
}

TEST_P(CallSuite, AStreamOfNoRequests) {
  auto requests = stub().Requests();
  const absl::StatusOr<Blob> reply = requests.Finish();
  ASSERT_EQ(reply.status(), absl::OkStatus());
  EXPECT_EQ(ReportIn(*reply).requests(), 0);
}

TEST_P(CallSuite, EmptyMessagesInAStreamAreCounted) {
  auto requests = stub().Requests();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(requests.Write(Blob()));
  const absl::StatusOr<Blob> reply = requests.Finish();
  ASSERT_EQ(reply.status(), absl::OkStatus());
  EXPECT_EQ(ReportIn(*reply).requests(), 10);
}

TEST_P(CallSuite, RepliesGoOnAfterTheRequestsHaveEnded) {
  ClientContext context;
  Play().ReadAll().Raise("half closed").Write(100).In(context);
  StreamCall call(stub(), MethodKind::kBidiStreaming, context);
  EXPECT_TRUE(call.WritesDone());
  Await("half closed");
  Blob reply;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(call.Read(&reply));
  EXPECT_FALSE(call.Read(&reply));
  EXPECT_EQ(call.Finish(), absl::OkStatus());
}

TEST_P(CallSuite, RequestsGoOnAfterTheLastReply) {
  ClientContext context;
  Play().Write(1).ReadAll().Report().In(context);
  StreamCall call(stub(), MethodKind::kBidiStreaming, context);
  Blob reply;
  ASSERT_TRUE(call.Read(&reply));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(call.Write(BlobOf(1)));
  EXPECT_TRUE(call.WritesDone());
  ASSERT_TRUE(call.Read(&reply));
  EXPECT_EQ(ReportIn(reply).requests(), 100);
  EXPECT_EQ(call.Finish(), absl::OkStatus());
}

TEST_P(CallSuite, MessagesKeepTheirOrder) {
  auto stream = stub().Both();
  const size_t count = static_cast<size_t>(Times(2000));
  std::thread writer([&] {
    for (size_t i = 0; i < count; ++i) ASSERT_TRUE(stream.Write(BlobOf(i % 301)));
    stream.WritesDone();
  });
  Blob reply;
  for (size_t i = 0; i < count; ++i) {
    ASSERT_TRUE(stream.Read(&reply));
    ASSERT_EQ(reply.body().size(), i % 301);
  }
  writer.join();
  EXPECT_EQ(stream.Finish(), absl::OkStatus());
}

// So many writes of 10,000 bytes are several windows: no writer gets through before its reader has
// read.
constexpr int kManyWrites = 300;

TEST_P(CallSuite, ASlowHandlerBlocksItsOwnWriterAndNobodyElse) {
  ServerSettings settings;
  settings.set_window(static_cast<int64_t>(Bytes(256'000)));
  Serve(settings);
  ClientContext context;
  Play().Await("go").ReadAll().Report().In(context);
  const int count = Times(kManyWrites);
  StreamCall slow(stub(), MethodKind::kClientStreaming, context);
  std::atomic<bool> written = false;
  std::thread writer([&] {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(slow.Write(BlobOf(10'000)));
    written = true;
  });
  auto quick = stub().Both();
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(stub().Unary(BlobOf(1)).status(), absl::OkStatus());
    ASSERT_TRUE(quick.Write(BlobOf(1)) && quick.Read().has_value());
  }
  EXPECT_EQ(quick.Finish(), absl::OkStatus());
  EXPECT_FALSE(written);
  Raise("go");
  writer.join();
  EXPECT_EQ(slow.Finish(), absl::OkStatus());
  EXPECT_EQ(ReportIn(slow.reply()).requests(), count);
}

TEST_P(CallSuite, ASlowClientBlocksItsOwnHandlerAndNobodyElse) {
  const int count = Times(kManyWrites);
  const std::shared_ptr<Channel> channel =
      Dial({.limits = {.window = static_cast<uint32_t>(Bytes(256'000))}});
  const Scripted::Stub stub(channel);
  ClientContext context;
  Play().Write(count, 10'000).Raise("written").In(context);
  StreamCall slow(stub, MethodKind::kServerStreaming, context);
  auto quick = stub.Both();
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(stub.Unary(BlobOf(1)).status(), absl::OkStatus());
    ASSERT_TRUE(quick.Write(BlobOf(1)) && quick.Read().has_value());
  }
  EXPECT_EQ(quick.Finish(), absl::OkStatus());
  EXPECT_EQ(Count("written"), 0);
  Blob reply;
  for (int i = 0; i < count; ++i) ASSERT_TRUE(slow.Read(&reply));
  Await("written");
  EXPECT_EQ(slow.Finish(), absl::OkStatus());
}

TEST_P(CallSuite, AReplyReachesItsReaderWhileTheWriterIsBlocked) {
  ServerSettings settings;
  settings.set_window(30'000);
  Serve(settings);
  for (int round = 0; round < Times(20); ++round) {
    ClientContext context;
    const std::string reply = absl::StrCat("reply ", round), go = absl::StrCat("go ", round);
    Play().Await(reply).Write(1).Await(go).ReadAll().In(context);
    StreamCall call(stub(), MethodKind::kBidiStreaming, context);
    std::latch nearly_blocked(1);
    std::thread writer([&] {
      // Three messages and a bit of credit for the fourth; the fifth has to wait.
      for (int i = 0; i < 6; ++i) {
        ASSERT_TRUE(call.Write(BlobOf(9'900)));
        if (i == 3) nearly_blocked.count_down();
      }
    });
    nearly_blocked.wait();
    std::thread prompter([&] { Raise(reply); });
    Blob blob;
    EXPECT_TRUE(call.Read(&blob));
    prompter.join();
    Raise(go);
    writer.join();
    EXPECT_EQ(call.Finish(), absl::OkStatus());
  }
}

TEST_P(CallSuite, AWindowOfOneByteIsSlowButWorks) {
  ServerSettings settings;
  settings.set_window(1);
  Serve(settings);
  const Scripted::Stub stub(Dial({.limits = {.window = 1}}));
  auto stream = stub.Both();
  std::thread writer([&] {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(stream.Write(BlobOf(100)));
    EXPECT_TRUE(stream.WritesDone());
  });
  int replies = 0;
  while (stream.Read().has_value()) ++replies;
  writer.join();
  EXPECT_EQ(replies, 20);
  EXPECT_EQ(stream.Finish(), absl::OkStatus());
}

}  // namespace
}  // namespace nigh::testing
