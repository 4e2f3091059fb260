// Who may call which method: what a server says counts more than a .proto, the nearest name alone
// counts, and who is refused costs nothing but a line of a report.

#include "nigh/runtime/server/call_rules.h"

#include <unistd.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/generic_service.h"
#include "nigh/generic_stub.h"
#include "nigh/interceptor.h"
#include "nigh/method.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/server.h"
#include "nigh/server_context.h"
#include "nigh/service.h"
#include "nigh/testing/virtual_clock.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/transport.h"
#include "nigh/transports/inproc/inproc.h"
#include "tests/contract/frames.h"
#include "tests/hostile/victim.pb.h"

namespace nigh {
namespace {

using hostile::Note;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr Method kOpen{.name = "/test.Test/Open", .kind = MethodKind::kUnary};
constexpr Method kClosed{.name = "/test.Test/Closed",
                         .kind = MethodKind::kUnary,
                         .idempotency = Idempotency::kIdempotent,
                         .allow = [] { return Callers{.users = {"1234567"}}; }};
constexpr Method kLost{.name = "/test.Lost/Lost", .kind = MethodKind::kUnary, .allow = [] {
                         return Callers{.users = {"no such user"}};
                       }};

// Counts the calls that its handlers get.
class Tested : public Service {
 public:
  Tested() {
    Handle<&Tested::Call>(kOpen);
    Handle<&Tested::Call>(kClosed);
  }
  absl::Status Call(ServerContext&, const Note&, Note*) {
    calls.fetch_add(1);
    return absl::OkStatus();
  }
  std::atomic<int> calls = 0;
};

class Lost : public Service {
 public:
  Lost() { Handle<&Lost::Call>(kLost); }
  absl::Status Call(ServerContext&, const Note&, Note*) { return absl::OkStatus(); }
};

class Anything final : public GenericService {
  absl::Status Handle(ServerContext&, GenericServerStream&) override { return absl::OkStatus(); }
};

PeerIdentity User(uid_t uid) { return {.address = "unix:/run/x", .uid = uid}; }

// Which of users 1 to 3, and of 1234567, may call.
std::string WhoMayCall(const CallRules& rules, absl::string_view method) {
  std::string who;
  for (const uid_t uid : {1, 2, 3, 1234567}) {
    if (!rules.MayCall(method, User(uid), Reach::kUsers)) continue;
    who += (who.empty() ? "" : " ") + std::to_string(uid);
  }
  return who;
}

TEST(CallRules, TheNearestNameCountsAndTheServersWordMoreThanTheProtos) {
  Tested service;
  const auto who_may_call = [&](const std::map<std::string, Callers>& allow,
                                absl::string_view method) {
    CallRules rules(allow, nullptr);
    EXPECT_EQ(rules.Add(service), absl::OkStatus());
    rules.AddFallback();
    EXPECT_EQ(rules.Check(), absl::OkStatus());
    return WhoMayCall(rules, method);
  };
  const std::map<std::string, Callers> all = {{"/test.Test/Closed", {.users = {"1"}}},
                                              {"test.Test", {.users = {"2"}}},
                                              {"*", {.users = {"3"}}}};
  EXPECT_EQ(who_may_call({}, "/test.Test/Open"), "1 2 3 1234567");
  EXPECT_EQ(who_may_call({}, "/test.Test/Closed"), "1234567");
  EXPECT_EQ(who_may_call({}, "/test.Other/Any"), "1 2 3 1234567");
  EXPECT_EQ(who_may_call(all, "/test.Test/Closed"), "1");
  EXPECT_EQ(who_may_call(all, "/test.Test/Open"), "2");
  EXPECT_EQ(who_may_call(all, "/test.Test/OfTheFallback"), "2");
  EXPECT_EQ(who_may_call(all, "/test.Other/Any"), "3");
  EXPECT_EQ(who_may_call({{"*", {.users = {"3"}}}}, "/test.Test/Open"), "1 2 3 1234567");
  EXPECT_EQ(who_may_call({{"*", {.users = {"3"}}}}, "/test.Test/Closed"), "1234567");
  EXPECT_EQ(who_may_call({{"test.Test", {.anybody = true}}}, "/test.Test/Closed"), "1 2 3 1234567");
}

TEST(CallRules, WhoIsNotKnownIsOnlyAnybody) {
  const auto may_call = [](const Callers& callers, const PeerIdentity& client, Reach reach) {
    CallRules rules({{"a.B", callers}}, nullptr);
    return rules.MayCall("/a.B/C", client, reach);
  };
  const Callers own = {.users = {std::to_string(::geteuid())}};
  const PeerIdentity nobody = {.address = "tcp://127.0.0.1:1"};
  EXPECT_TRUE(may_call({.anybody = true}, nobody, Reach::kAnybody));
  for (const Callers& callers :
       {own, {.same_user = true}, {.root = true}, {.users = {"65534"}}, {.groups = {"65534"}}}) {
    EXPECT_FALSE(may_call(callers, nobody, Reach::kAnybody));
  }
  // Of whom only the number is known: over FIFOs and queues.
  EXPECT_FALSE(may_call({.same_user = true}, User(::geteuid()), Reach::kUsers));
  EXPECT_TRUE(may_call(own, User(::geteuid()), Reach::kUsers));
}

// pipe: and stdio: tell nothing of users.
TEST(CallRules, WhoHasBeenInvitedCountsAsTheOwnUser) {
  const PeerIdentity invited = {.address = "pipe:3,4", .medium = "pipe"};
  const auto may_call = [&](const Callers& callers) {
    CallRules rules({{"a.B", callers}}, nullptr);
    return rules.MayCall("/a.B/C", invited, Reach::kInvited);
  };
  EXPECT_TRUE(may_call({.same_user = true}));
  EXPECT_TRUE(may_call({.users = {std::to_string(::geteuid())}}));
  EXPECT_TRUE(may_call({.groups = {std::to_string(::getegid())}}));
  EXPECT_EQ(may_call({.root = true}), ::geteuid() == 0);
  EXPECT_FALSE(may_call({.users = {"1234567"}}));
}

// A server of both services, about to start.
absl::Status Start(const std::map<std::string, Callers>& allow, bool fallback = false) {
  Tested service;
  Lost lost;
  Anything anything;
  Server server({.allow = allow});
  server.Register(service);
  server.Register(lost);
  if (fallback) server.RegisterFallback(anything);
  return server.Start();
}

const std::pair<const std::string, Callers> kFound = {"test.Lost", {.root = true}};

TEST(CallRules, AUserWhomAProtoNamesAndThereIsNotIsAnErrorOfStartUnlessTheServerSaysOtherwise) {
  const absl::Status status = Start({});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("register /test.Lost/Lost: option (nigh.allow)"),
            HasSubstr("there is no user \"no such user\""), HasSubstr("ServerOptions::allow")));
  EXPECT_EQ(Start({kFound}), absl::OkStatus());
}

TEST(CallRules, WhatTheServerSaysOfNothingOrNobodyIsAnErrorOfStart) {
  const auto error = [](const std::string& name, const Callers& callers, bool fallback = false) {
    const absl::Status status = Start({kFound, {name, callers}}, fallback);
    EXPECT_NE(status.code(), absl::StatusCode::kOk) << name;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("ServerOptions::allow[\"" + name + "\"]: "));
    return std::string(status.message());
  };
  EXPECT_THAT(error("/test.Test/Opne", {.root = true}),
              HasSubstr("nothing of this name is served"));
  EXPECT_THAT(error("test.Tset", {.root = true}), HasSubstr("register the service"));
  EXPECT_THAT(error("*", {.root = true}), HasSubstr("RegisterFallback"));
  EXPECT_EQ(Start({kFound, {"*", {.root = true}}, {"a.B", {.root = true}}}, true),
            absl::OkStatus());
  for (const char* name : {"", "test.Test/Open", "/Open", "a b"}) {
    EXPECT_THAT(error(name, {.root = true}, true), HasSubstr("\"/package.Service/Method\""));
  }
  EXPECT_THAT(error("test.Test", {}), HasSubstr("names nobody"));
  EXPECT_THAT(error("test.Test", {.root = true, .anybody = true}), HasSubstr("says anybody"));
  EXPECT_THAT(error("test.Test", {.users = {""}}), HasSubstr("there is no user \"\""));
  EXPECT_THAT(error("test.Test", {.groups = {"no such group"}}),
              HasSubstr("there is no group \"no such group\""));
}

TEST(CallRules, OneReportASecondTellsOfAllRefusedCalls) {
  testing::VirtualClock clock;
  std::vector<std::string> reports;
  CallRules rules({{"a.B", {.users = {"1"}}}}, [&](const absl::Status& status) {
    EXPECT_TRUE(absl::IsPermissionDenied(status));
    reports.emplace_back(status.message());
  });
  const auto refuse = [&](int times) {
    for (int i = 0; i < times; ++i) {
      EXPECT_TRUE(absl::IsPermissionDenied(rules.Refuse("/a.B/C", User(2))));
    }
  };
  refuse(1000);
  ASSERT_THAT(reports, SizeIs(1));
  EXPECT_THAT(reports[0],
              AllOf(HasSubstr("unix:/run/x: serve: 1 calls were refused: /a.B/C: user 2 "),
                    HasSubstr("ServerOptions::allow[\"a.B\"] lets user 1")));
  clock.Advance(absl::Seconds(1));
  refuse(1);
  ASSERT_THAT(reports, SizeIs(2));
  EXPECT_THAT(reports[1], HasSubstr("serve: 1000 calls were refused"));
}

class CountingInterceptor final : public ServerInterceptor {
 public:
  absl::Status OnStart(InterceptedServerCall&) override {
    starts.fetch_add(1);
    return absl::OkStatus();
  }
  std::atomic<int> starts = 0;
};

// Its client may call Open, and not Closed.
class RefusedCall : public ::testing::Test {
 protected:
  RefusedCall()
      : server_({.on_error =
                     [this](const absl::Status& status) {
                       reports_.fetch_add(1);
                       EXPECT_THAT(std::string(status.message()), HasSubstr("serve: 1 calls"));
                     },
                 .interceptors = {interceptor_}}) {
    server_.Register(service_);
    EXPECT_EQ(server_.Listen("inproc:refused-call"), absl::OkStatus());
    EXPECT_EQ(server_.Start(), absl::OkStatus());
  }

  std::atomic<int> reports_ = 0;
  std::shared_ptr<CountingInterceptor> interceptor_ = std::make_shared<CountingInterceptor>();
  Tested service_;
  Server server_;
};

TEST_F(RefusedCall, IsAnsweredByItsFirstFrameAndTakenForBegun) {
  const std::unique_ptr<Connection> client =
      DialInproc(testing::MakeAddress("inproc:refused-call")).value();
  std::string hello(kHelloSize, '\0');
  EncodeHello({.window = 1 << 16, .max_message = 1 << 16, .max_metadata = 1024, .max_calls = 9},
              reinterpret_cast<std::byte*>(hello.data()));
  const auto send = [&](const FrameHeader& header, absl::string_view payload) {
    EXPECT_EQ(testing::Send(*client, header, payload), absl::OkStatus());
  };
  send({.kind = FrameKind::kHello}, hello);
  send({.kind = FrameKind::kMethod, .method = 0}, kClosed.name);
  send({.kind = FrameKind::kMethod, .method = 1}, kOpen.name);
  EXPECT_EQ(testing::Receive(*client)->header.kind, FrameKind::kHello);

  constexpr auto kDenied = static_cast<uint64_t>(absl::StatusCode::kPermissionDenied);
  const auto expect_response = [&](uint32_t call, uint64_t code) {
    const testing::OwnedFrame frame = testing::Receive(*client).value();
    EXPECT_EQ(frame.header.kind, FrameKind::kResponse);
    EXPECT_EQ(frame.header.call, call);
    EXPECT_EQ(frame.header.aux, code);
    // Else the client would make the call again.
    EXPECT_EQ(frame.header.flags & kNeverBegun, 0);
  };
  // No message at all.
  send({.kind = FrameKind::kRequest, .flags = kMessage | kEnd, .method = 0, .call = 0}, "\xff");
  expect_response(0, kDenied);
  // Not one request, where there has to be one.
  send({.kind = FrameKind::kRequest, .method = 0, .call = 1}, "");
  expect_response(1, kDenied);
  // The first piece of a megabyte; the others are dropped.
  send({.kind = FrameKind::kRequest,
        .flags = kMessage | kEnd,
        .method = 0,
        .call = 2,
        .rest = 1 << 20},
       "\xff");
  expect_response(2, kDenied);
  send({.kind = FrameKind::kPiece, .call = 2}, "\xff");
  EXPECT_EQ(interceptor_->starts, 0);
  EXPECT_EQ(service_.calls, 0);
  // The connection is as good as before.
  send({.kind = FrameKind::kRequest, .flags = kMessage | kEnd, .method = 1, .call = 2}, "");
  expect_response(2, 0);
  EXPECT_EQ(interceptor_->starts, 1);
  EXPECT_EQ(service_.calls, 1);
}

// Of an idempotent method: one that failed with UNAVAILABLE would be made three times.
TEST_F(RefusedCall, IsNotMadeAgain) {
  testing::VirtualClock clock;
  const auto channel = Channel::Create("inproc:refused-call", {}).value();
  const BoundMethod method = channel->Bind({&kClosed, 1});
  for (int calls = 1; calls <= 2; ++calls) {
    ClientContext context;
    Note reply;
    EXPECT_TRUE(absl::IsPermissionDenied(internal::CallUnary(method, context, Note(), &reply)));
    // Each of the reports tells of one refused call.
    EXPECT_EQ(reports_, calls);
    clock.Advance(absl::Seconds(1));
  }
}

}  // namespace
}  // namespace nigh
