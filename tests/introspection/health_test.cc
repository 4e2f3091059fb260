// Health, as a client with gRPC's own description of it sees it.

#include "nigh/introspection/health.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "grpc/health/v1/health.nigh.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/event_loop.h"
#include "nigh/generic_stub.h"
#include "nigh/health.pb.h"
#include "nigh/options.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/server.h"

namespace nigh::testing {
namespace {

using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;
using HealthStub = ::grpc::health::v1::Health::Stub;
using ::testing::HasSubstr;

constexpr auto kServing = health::HealthCheckResponse::SERVING;
constexpr auto kNotServing = health::HealthCheckResponse::NOT_SERVING;

HealthCheckRequest Of(const std::string& service) {
  HealthCheckRequest request;
  request.set_service(service);
  return request;
}

// A server whose health is told. It has so few threads that nobody could wait in one.
class Health : public ::testing::Test {
 protected:
  Health() {
    server_.Register(health_);
    EXPECT_EQ(server_.Listen("inproc:health"), absl::OkStatus());
    EXPECT_EQ(server_.Start(), absl::OkStatus());
    channel_ = *Dial("inproc:health");
    stub_.emplace(channel_);
  }

  HealthCheckResponse::ServingStatus Check(const std::string& service) {
    absl::StatusOr<HealthCheckResponse> reply = stub_->Check(Of(service));
    EXPECT_EQ(reply.status(), absl::OkStatus());
    return reply.ok() ? reply->status() : HealthCheckResponse::UNKNOWN;
  }

  const std::shared_ptr<Poller> poller_ = SharedPoller();
  HealthService health_{[this](auto task) { poller_->Post(nullptr, std::move(task)); }};
  Server server_{{.pollers = 1, .max_threads = 2}};
  std::shared_ptr<Channel> channel_;
  std::optional<HealthStub> stub_;
};

TEST_F(Health, OfTheServerIsServingFromTheBeginning) {
  EXPECT_EQ(Check(""), HealthCheckResponse::SERVING);
  health_.Set("", kNotServing);
  EXPECT_EQ(Check(""), HealthCheckResponse::NOT_SERVING);
}

TEST_F(Health, OfAServiceIsWhatWasSaidLast) {
  health_.Set("shop.Catalogue", kNotServing);
  EXPECT_EQ(Check("shop.Catalogue"), HealthCheckResponse::NOT_SERVING);
  health_.Set("shop.Catalogue", kServing);
  EXPECT_EQ(Check("shop.Catalogue"), HealthCheckResponse::SERVING);
}

TEST_F(Health, OfWhatNobodyHasSpokenOfIsNotFound) {
  const absl::StatusOr<HealthCheckResponse> reply = stub_->Check(Of("shop.Till"));
  EXPECT_EQ(reply.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(reply.status().message(), HasSubstr("service shop.Till"));
}

TEST_F(Health, IsWatched) {
  auto watch = stub_->Watch(Of("shop.Catalogue"));
  const auto next = [&] {
    std::optional<HealthCheckResponse> reply = watch.Read();
    return reply.has_value() ? reply->status() : HealthCheckResponse::UNKNOWN;
  };
  EXPECT_EQ(next(), HealthCheckResponse::SERVICE_UNKNOWN);
  health_.Set("shop.Catalogue", kServing);
  EXPECT_EQ(next(), HealthCheckResponse::SERVING);
  // Of what has not changed, and of others, nothing is heard.
  health_.Set("shop.Catalogue", kServing);
  health_.Set("shop.Till", kNotServing);
  health_.Set("shop.Catalogue", kNotServing);
  EXPECT_EQ(next(), HealthCheckResponse::NOT_SERVING);
}

TEST_F(Health, IsWatchedByMoreThanThereAreThreads) {
  constexpr int kWatchers = 50;
  std::vector<ClientReader<HealthCheckResponse>> watches;
  watches.reserve(kWatchers);
  for (int i = 0; i < kWatchers; ++i) watches.push_back(stub_->Watch(Of("")));
  for (auto& watch : watches) EXPECT_EQ(watch.Read()->status(), HealthCheckResponse::SERVING);
  health_.Set("", kNotServing);
  for (auto& watch : watches) EXPECT_EQ(watch.Read()->status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Check(""), HealthCheckResponse::NOT_SERVING);
}

TEST_F(Health, IsNotWatchedBeyondADeadline) {
  ClientContext context;
  context.set_timeout(absl::Milliseconds(20));
  auto watch = stub_->Watch(context, Of(""));
  EXPECT_TRUE(watch.Read().has_value());
  EXPECT_FALSE(watch.Read().has_value());
  EXPECT_EQ(watch.Finish().code(), absl::StatusCode::kDeadlineExceeded);
}

// Its handler is gone then: a server that shuts down waits for handlers.
TEST_F(Health, IsNotWatchedByWhoHasCancelled) {
  ClientContext context;
  {
    auto watch = stub_->Watch(context, Of(""));
    EXPECT_TRUE(watch.Read().has_value());
    context.TryCancel();
    EXPECT_FALSE(watch.Read().has_value());
    EXPECT_EQ(watch.Finish().code(), absl::StatusCode::kCancelled);
  }
  server_.Shutdown(absl::InfiniteDuration());
}

// Without that, a server would wait for its watchers as long as its grace lasts.
TEST_F(Health, IsNotServingOnceTheServerEnds) {
  health_.Set("shop.Catalogue", kServing);
  auto whole = stub_->Watch(Of(""));
  auto one = stub_->Watch(Of("shop.Catalogue"));
  EXPECT_TRUE(whole.Read().has_value());
  EXPECT_TRUE(one.Read().has_value());
  health_.Shutdown();
  for (auto* watch : {&whole, &one}) {
    EXPECT_EQ(watch->Read()->status(), HealthCheckResponse::NOT_SERVING);
    EXPECT_FALSE(watch->Read().has_value());
    EXPECT_EQ(watch->Finish().code(), absl::StatusCode::kUnavailable);
  }
  health_.Set("", kServing);
  EXPECT_EQ(Check(""), HealthCheckResponse::NOT_SERVING);
  server_.Shutdown(absl::InfiniteDuration());
}

// Debian's description lacks this one.
TEST_F(Health, IsListed) {
  health_.Set("shop.Catalogue", kNotServing);
  const GenericStub generic(channel_);
  const absl::StatusOr<std::string> reply = generic.Call("/grpc.health.v1.Health/List", "");
  ASSERT_EQ(reply.status(), absl::OkStatus());
  health::HealthListResponse list;
  ASSERT_TRUE(list.ParseFromString(*reply));
  EXPECT_EQ(list.statuses_size(), 2);
  EXPECT_EQ(list.statuses().at("").status(), kServing);
  EXPECT_EQ(list.statuses().at("shop.Catalogue").status(), kNotServing);
}

// Over TCP nothing tells who asks.
TEST(HealthOfAServer, IsNotToldToStrangers) {
  HealthService health([](auto task) { task(); });
  Server server;
  server.Register(health);
  ASSERT_EQ(server.Listen("tcp://127.0.0.1:0"), absl::OkStatus());
  ASSERT_EQ(server.Start(), absl::OkStatus());
  const HealthStub stub(*Dial(server.addresses().front()));
  EXPECT_EQ(stub.Check(Of("")).status().code(), absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace nigh::testing
