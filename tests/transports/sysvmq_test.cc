#include "nigh/transports/sysvmq/sysvmq.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/rendezvous/sysv_family.h"
#include "nigh/transports/sysvmq/sysv_queue.h"
#include "tests/contract/frames.h"
#include "tests/support/run_in_child.h"
#include "tests/support/temporary_folder.h"

namespace nigh {
namespace {

using ::testing::HasSubstr;
using testing::MakeAddress;

// nigh's, in the whole system.
size_t Queues() {
  constexpr SysvFamily kQueues = {.prefix = 0x6e71, .table = "/proc/sysvipc/msg"};
  return kQueues.Identifiers().size();
}

class SysvmqTest : public ::testing::Test {
 protected:
  ~SysvmqTest() override { EXPECT_EQ(Queues(), before_) << "queues are left"; }

  static void ExpectServes(Listener& listener) {
    const auto pair = testing::Connect(kSysvmqTransport, listener).value();
    EXPECT_EQ(testing::Exchange(*pair.client, *pair.server), absl::OkStatus());
  }

  const size_t before_ = Queues();
  const testing::TemporaryFolder folder_;
  const std::string path_ = folder_.PathOf("server");
  const Address address_ = MakeAddress("sysvmq:" + path_);
};

TEST_F(SysvmqTest, LeavesNoQueueWhoeverGoesFirst) {
  auto listener = ListenSysvmq(address_).value();
  for (const bool client_first : {true, false}) {
    auto client = DialSysvmq(address_).value();
    auto server = testing::Accept(*listener).value();
    ASSERT_TRUE(testing::Send(*client, 1, "x").ok());
    EXPECT_EQ(testing::Receive(*server).value().payload, "x");
    (client_first ? client : server).reset();
  }
  { auto never_met = DialSysvmq(address_).value(); }
  EXPECT_EQ(listener->Accept().value(), nullptr);
  EXPECT_EQ(Queues(), before_ + 1);
  listener.reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(SysvmqTest, ControlOvertakesBulk) {
  auto listener = ListenSysvmq(address_).value();
  auto client = DialSysvmq(address_).value();
  auto server = testing::Accept(*listener).value();
  for (uint32_t call = 1; call <= 3; ++call) {
    ASSERT_TRUE(testing::Send(*client, call, testing::Pattern(call, 1000)).ok());
  }
  ASSERT_TRUE(testing::Send(*client, {.kind = FrameKind::kPing, .aux = 9}, "").ok());
  EXPECT_EQ(testing::Receive(*server).value().header.aux, 9u);
  for (uint32_t call = 1; call <= 3; ++call) {
    EXPECT_EQ(testing::Receive(*server).value().header.call, call) << "bulk has lost its order";
  }
}

TEST_F(SysvmqTest, AFullQueueEndsAfterItsLastMessage) {
  auto listener = ListenSysvmq(address_).value();
  auto client = DialSysvmq(address_).value();
  auto server = testing::Accept(*listener).value();
  const std::string payload(client->max_payload(), 'x');
  uint32_t sent = 0;
  while (testing::TryQueue(*client, testing::MessageHeader(sent), payload) &&
         *testing::TryFlush(*client)) {
    ++sent;
  }
  ASSERT_GT(sent, 0u);
  client.reset();
  for (uint32_t call = 0; call < sent; ++call) {
    EXPECT_EQ(testing::Receive(*server).value().header.call, call);
  }
  EXPECT_EQ(testing::ReceiveEnd(*server).code(), absl::StatusCode::kUnavailable);
}

TEST_F(SysvmqTest, WhatKilledProcessesHaveLeftIsSwept) {
  testing::RunInChild([&] {
    auto listener = ListenSysvmq(address_).value();
    auto client = DialSysvmq(address_).value();
    auto server = testing::Accept(*listener).value();
    (void)testing::Send(*client, 1, "x");
    ::raise(SIGKILL);
  });
  EXPECT_EQ(Queues(), before_ + 3);
  EXPECT_EQ(DialSysvmq(address_).status().code(), absl::StatusCode::kUnavailable);
  auto listener = ListenSysvmq(address_).value();
  EXPECT_EQ(Queues(), before_ + 1);
  EXPECT_EQ(ListenSysvmq(address_).status().code(), absl::StatusCode::kAlreadyExists);
  ExpectServes(*listener);
}

// A helper may hold the last message of one who has died already.
TEST_F(SysvmqTest, WhatAKilledPeerHadSentComesFirst) {
  for (int i = 0; i < 50; ++i) {
    // Forked while this process has no other thread; it waits for the server.
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      char go;
      (void)!::read(ready[0], &go, 1);
      auto client = DialSysvmq(address_).value();
      (void)testing::Receive(*client);
      (void)testing::Send(*client, 7, "last words");
      ::raise(SIGKILL);
    }
    auto listener = ListenSysvmq(address_).value();
    ASSERT_EQ(::write(ready[1], "g", 1), 1);
    auto server = testing::Accept(*listener).value();
    ASSERT_TRUE(testing::Send(*server, 1, "go").ok());
    EXPECT_EQ(testing::Receive(*server).value().payload, "last words");
    EXPECT_EQ(testing::ReceiveEnd(*server).code(), absl::StatusCode::kUnavailable);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    for (const int fd : ready) ::close(fd);
  }
}

TEST_F(SysvmqTest, AnIdleServersQueueIsNotSwept) {
  auto listener = ListenSysvmq(address_).value();
  EXPECT_EQ(SweepSysvQueues(), 0);
  ExpectServes(*listener);
}

TEST_F(SysvmqTest, AServerThatGoesBeforeItMeetsIsUnavailable) {
  auto listener = ListenSysvmq(address_).value();
  auto client = DialSysvmq(address_).value();
  listener.reset();
  EXPECT_EQ(testing::ReceiveEnd(*client).code(), absl::StatusCode::kUnavailable);
}

TEST_F(SysvmqTest, AnotherFileInTheWayIsLeftAlone) {
  std::ofstream(path_) << "somebody's notes";
  const absl::Status refused = ListenSysvmq(address_).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("another file is in the way"));
  EXPECT_EQ(DialSysvmq(address_).status().code(), absl::StatusCode::kUnavailable);
  std::string notes;
  std::getline(std::ifstream(path_), notes);
  EXPECT_EQ(notes, "somebody's notes");
}

// Nobody but a stranger puts in more than a message of nigh's may have.
TEST_F(SysvmqTest, GarbageAmongArrivalsIsPassedOver) {
  auto listener = ListenSysvmq(address_).value();
  std::ifstream file(path_);
  std::string word;
  int arrivals = -1;
  ASSERT_TRUE(file >> word >> word >> arrivals) << "nigh sysvmq IDENTIFIER";
  for (const size_t size : {0, 1, 36, 4096, 5000}) {
    struct {
      long type = 1;
      char text[5000] = {};
    } message;
    ASSERT_EQ(::msgsnd(arrivals, &message, size, IPC_NOWAIT), 0) << size;
    EXPECT_EQ(listener->Accept().value(), nullptr) << size;
  }
  ExpectServes(*listener);
}

// A number in an arrival may be of a queue that has nothing to do with nigh.
TEST_F(SysvmqTest, OtherQueuesAreNotTouched) {
  const int other = ::msgget(IPC_PRIVATE, 0600);
  ASSERT_GE(other, 0);
  EXPECT_FALSE(SysvQueueId(other).IsNighs());
  SysvQueueId(other).Remove();
  msqid_ds queue;
  EXPECT_EQ(::msgctl(other, IPC_STAT, &queue), 0) << "it was removed";
  EXPECT_FALSE(SysvQueue::Make(SysvQueueId(other), UniqueFd(), /*receives=*/false).ok());
  ::msgctl(other, IPC_RMID, nullptr);
}

}  // namespace
}  // namespace nigh
