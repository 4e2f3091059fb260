#include "nigh/transports/mqueue/mqueue.h"

#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/rendezvous/arrival.h"
#include "tests/contract/frames.h"
#include "tests/support/run_in_child.h"

namespace nigh {
namespace {

using ::testing::HasSubstr;
using testing::MakeAddress;

class MqueueTest : public ::testing::Test {
 protected:
  const std::string name_ = absl::StrCat("/nigh-test-", ::getpid());
  const Address address_ = MakeAddress(absl::StrCat("mqueue:", name_));

  bool Exists(absl::string_view behind) const {
    return bool{UniqueFd(::mq_open(absl::StrCat(name_, behind).c_str(), O_RDONLY))};
  }
  static void ExpectServes(Listener& listener) {
    const auto pair = testing::Connect(kMqueueTransport, listener).value();
    EXPECT_EQ(testing::Exchange(*pair.client, *pair.server), absl::OkStatus());
  }
};

TEST_F(MqueueTest, KnowsWhoseQueuesTheyAreAndWhoSaysTheyAreIts) {
  auto listener = ListenMqueue(address_).value();
  auto client = DialMqueue(address_).value();
  auto server = testing::Accept(*listener).value();
  EXPECT_EQ(client->peer().uid, ::geteuid());
  EXPECT_EQ(server->peer().uid, ::geteuid());
  EXPECT_EQ(server->peer().medium, "POSIX message queue");
  EXPECT_EQ(server->max_payload(), 4096 - kFrameHeaderSize);
}

TEST_F(MqueueTest, ClientsChooseTheSizeOfTheirQueues) {
  auto listener = ListenMqueue(address_).value();
  auto client = DialMqueue(MakeAddress(absl::StrCat("mqueue:", name_, "?messages=2&size=1000")));
  ASSERT_TRUE(client.ok()) << client.status();
  auto server = testing::Accept(*listener).value();
  EXPECT_EQ((*client)->max_payload(), 1000 - kFrameHeaderSize);
  EXPECT_EQ(server->max_payload(), 1000 - kFrameHeaderSize);
}

// What the kernel keeps of messages that wait is ordered by priority.
TEST_F(MqueueTest, ControlOvertakesBulk) {
  auto listener = ListenMqueue(address_).value();
  auto client = DialMqueue(address_).value();
  auto server = testing::Accept(*listener).value();
  for (uint32_t call = 1; call <= 3; ++call) {
    ASSERT_TRUE(testing::Send(*client, call, testing::Pattern(call, 1000)).ok());
  }
  ASSERT_TRUE(testing::Send(*client, {.kind = FrameKind::kCredit, .call = 7, .aux = 1}, "").ok());
  EXPECT_EQ(testing::Receive(*server).value().header.call, 7u);
  for (uint32_t call = 1; call <= 3; ++call) {
    EXPECT_EQ(testing::Receive(*server).value().header.call, call) << "bulk has lost its order";
  }
}

// A queue that is full has no room for a farewell.
TEST_F(MqueueTest, AFullQueueEndsAfterItsLastMessage) {
  auto listener = ListenMqueue(address_).value();
  auto client = DialMqueue(address_).value();
  auto server = testing::Accept(*listener).value();
  uint32_t sent = 0;
  while (testing::TryQueue(*client, testing::MessageHeader(sent), "x") &&
         *testing::TryFlush(*client))
    ++sent;
  ASSERT_GT(sent, 0u);
  client.reset();
  for (uint32_t call = 0; call < sent; ++call) {
    EXPECT_EQ(testing::Receive(*server).value().header.call, call);
  }
  EXPECT_EQ(testing::ReceiveEnd(*server).code(), absl::StatusCode::kUnavailable);
}

TEST_F(MqueueTest, NamesAreGoneAsSoonAsBothHaveMet) {
  auto listener = ListenMqueue(address_).value();
  EXPECT_TRUE(Exists(""));
  auto client = DialMqueue(address_).value();
  auto server = testing::Accept(*listener).value();
  listener.reset();
  EXPECT_FALSE(Exists(""));
  EXPECT_EQ(testing::Exchange(*client, *server), absl::OkStatus());
}

TEST_F(MqueueTest, AServerThatWasKilledIsFollowedByAnother) {
  testing::RunInChild([&] {
    auto listener = ListenMqueue(address_);
    ::raise(SIGKILL);
  });
  EXPECT_TRUE(Exists(""));
  const absl::Status nobody = DialMqueue(address_).status();
  EXPECT_EQ(nobody.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(nobody.message()), HasSubstr("is the server running?"));
  auto listener = ListenMqueue(address_).value();
  EXPECT_EQ(ListenMqueue(address_).status().code(), absl::StatusCode::kAlreadyExists);
  ExpectServes(*listener);
}

TEST_F(MqueueTest, AServerThatGoesBeforeItMeetsIsUnavailable) {
  auto listener = ListenMqueue(address_).value();
  auto client = DialMqueue(address_).value();
  listener.reset();
  EXPECT_EQ(testing::ReceiveEnd(*client).code(), absl::StatusCode::kUnavailable);
}

// The last message of one who dies is not lost, however soon its death is known.
TEST_F(MqueueTest, WhatAKilledPeerHadSentComesFirst) {
  auto listener = ListenMqueue(address_).value();
  for (int i = 0; i < 20; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      auto client = DialMqueue(address_).value();
      (void)testing::Send(*client, 7, "last words");
      ::raise(SIGKILL);
    }
    auto server = testing::Accept(*listener).value();
    EXPECT_EQ(testing::Receive(*server).value().payload, "last words");
    EXPECT_EQ(testing::ReceiveEnd(*server).code(), absl::StatusCode::kUnavailable);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  }
}

TEST_F(MqueueTest, GarbageAmongArrivalsIsPassedOver) {
  auto listener = ListenMqueue(address_).value();
  const UniqueFd arrivals(::mq_open(name_.c_str(), O_WRONLY | O_NONBLOCK));
  const auto announce = [&](absl::string_view bytes) {
    ASSERT_EQ(::mq_send(arrivals.get(), bytes.data(), bytes.size(), 0), 0);
    EXPECT_EQ(listener->Accept().value(), nullptr);
  };
  announce("");
  announce("GET / HTTP/1.1\r\n\r\n");
  announce(std::string(Arrival::kSize, 'x'));
  announce(Arrival::OfThisProcess().Encode());
  ExpectServes(*listener);
}

TEST_F(MqueueTest, AddressesThatCannotWorkAreRefused) {
  for (const std::string& text :
       {std::string("mqueue:name"), std::string("mqueue:/"), std::string("mqueue:/a/b"),
        "mqueue:/" + std::string(250, 'x'), std::string("mqueue:/x?size=100"),
        std::string("mqueue:/x?messages=0"), std::string("mqueue:/x?messages=many"),
        std::string("mqueue:/x?colour=blue")}) {
    EXPECT_EQ(DialMqueue(MakeAddress(text)).status().code(), absl::StatusCode::kInvalidArgument)
        << text;
    EXPECT_EQ(ListenMqueue(MakeAddress(text)).status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
}

TEST_F(MqueueTest, LimitsThatAreMetAreNamedWithTheirRemedy) {
  auto listener = ListenMqueue(address_).value();
  const auto refusal = [&](absl::string_view parameters) {
    const absl::Status status =
        DialMqueue(MakeAddress(absl::StrCat("mqueue:", name_, parameters))).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    return std::string(status.message());
  };
  rlimit usual;
  ASSERT_EQ(::getrlimit(RLIMIT_MSGQUEUE, &usual), 0);
  const rlimit little = {.rlim_cur = 4096, .rlim_max = usual.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_MSGQUEUE, &little), 0);
  EXPECT_THAT(refusal(""), HasSubstr("RLIMIT_MSGQUEUE bytes, here 4096: raise it, ulimit -q"));
  ASSERT_EQ(::setrlimit(RLIMIT_MSGQUEUE, &usual), 0);
  EXPECT_FALSE(Exists(".c"));
  // Root may make larger ones.
  if (::geteuid() != 0) {
    EXPECT_THAT(refusal("?size=10000000"), HasSubstr("msgsize_max"));
  }
}

}  // namespace
}  // namespace nigh
