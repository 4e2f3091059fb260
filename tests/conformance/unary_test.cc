// One request, one reply.

#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/conformance/call_suite.h"
#include "tests/conformance/twin_one.nigh.h"
#include "tests/conformance/twin_two.nigh.h"

namespace nigh::testing {
namespace {

using ::testing::AnyOf;

TEST_P(CallSuite, ReplyIsTheHandlers) {
  const absl::StatusOr<Blob> reply = stub().Unary(BlobOf(10));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->body(), BlobOf(10).body());
}

TEST_P(CallSuite, TenThreadsShareAStub) {
  const Scripted::Stub stub(channel());
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < 10; ++thread) {
    threads.emplace_back([&stub, thread] {
      for (size_t call = 0; call < 10; ++call) {
        const absl::StatusOr<Blob> reply = stub.Unary(BlobOf(thread * 100 + call));
        ASSERT_TRUE(reply.ok()) << reply.status();
        EXPECT_EQ(reply->body().size(), thread * 100 + call);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(CallSuite, AThousandStubsShareAChannel) {
  const std::vector<Scripted::Stub> stubs(Times(1000), Scripted::Stub(channel()));
  for (const Scripted::Stub& each : stubs) {
    ASSERT_EQ(each.Unary(BlobOf(1)).status(), absl::OkStatus());
  }
  for (int i = 0; i < Times(1000); ++i) {
    ASSERT_EQ(Scripted::Stub(channel()).Unary(BlobOf(1)).status(), absl::OkStatus());
  }
}

TEST_P(CallSuite, EmptyMessagesAreMessages) {
  ClientContext context;
  Blob reply = BlobOf(3);
  EXPECT_EQ(stub().Unary(context, Blob(), &reply), absl::OkStatus());
  EXPECT_EQ(reply.body(), "");
}

TEST_P(CallSuite, ReplyObjectIsOverwritten) {
  Blob reply = BlobOf(1000);
  for (const size_t size : {5, 500, 0}) {
    ClientContext context;
    ASSERT_EQ(stub().Unary(context, BlobOf(size), &reply), absl::OkStatus());
    EXPECT_EQ(reply.body().size(), size);
  }
}

TEST_P(CallSuite, NamesakesInTwoPackagesAreTwoServices) {
  const auto first = one::Twin::Stub(channel()).WhoAreYou(one::Question());
  const auto second = two::Twin::Stub(channel()).WhoAreYou(two::Question());
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ(first->name(), "one");
  EXPECT_EQ(second->name(), "two");
}

TEST_P(CallSuite, HandlerKnowsItsMethodAndItsClient) {
  ClientContext context;
  Play().Report().In(context);
  Blob reply;
  ASSERT_EQ(stub().Unary(context, Blob(), &reply), absl::OkStatus());
  const Report report = ReportIn(reply);
  EXPECT_EQ(report.method(), "/nigh.testing.Scripted/Unary");
  EXPECT_FALSE(report.peer_address().empty());
  // Where the medium tells, it tells the truth.
  EXPECT_THAT(report.peer_pid(), AnyOf(0, ::getpid()));
  EXPECT_FALSE(context.peer().address.empty());
}

TEST_P(CallSuite, AContextServesOneCallOnly) {
  ClientContext context;
  Blob reply;
  EXPECT_EQ(stub().Unary(context, Blob(), &reply), absl::OkStatus());
  EXPECT_THAT(stub().Unary(context, Blob(), &reply), HasCode(kInternal));
}

}  // namespace
}  // namespace nigh::testing
