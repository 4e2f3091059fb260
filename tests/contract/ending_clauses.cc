// C9 to C12: how a connection ends.

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/deadline.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/transport.h"
#include "tests/contract/contract.h"
#include "tests/contract/frames.h"
#include "tests/contract/puppet.h"
#include "tests/contract/stranger.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

using ::testing::AnyOf;
using ::testing::StartsWith;

constexpr absl::StatusCode kUnavailable = absl::StatusCode::kUnavailable;

// The error that sending ends with sooner or later.
absl::Status SendEnd(Connection& connection) {
  for (;;) {
    if (absl::Status status = Send(connection, 1, Pattern(1, 1000)); !status.ok()) return status;
  }
}

TEST_P(ConnectionContract, C09CloseWakesThisSidesReceiver) {
  std::thread receiver([&] { EXPECT_EQ(ReceiveEnd(*mine_).code(), kUnavailable); });
  mine_->Close();
  receiver.join();
}

TEST_P(ConnectionContract, C09CloseWakesThisSidesSender) {
  Fill(1000);
  std::thread sender([&] { EXPECT_EQ(SendEnd(*mine_).code(), kUnavailable); });
  mine_->Close();
  sender.join();
}

TEST_P(ConnectionContract, C09CloseWakesThePeer) {
  puppet_->Tell("echo");
  mine_->Close();
  EXPECT_THAT(puppet_->Answer(), StartsWith("UNAVAILABLE: "));
}

TEST_P(ConnectionContract, C09ThePeersCloseWakesASenderWithoutRoom) {
  Fill(1000);
  std::thread sender([&] { EXPECT_EQ(SendEnd(*mine_).code(), kUnavailable); });
  EXPECT_EQ(puppet_->Ask("close"), "ok");
  sender.join();
}

TEST_P(ConnectionContract, C09AnyThreadMayCloseAnyNumberOfTimes) {
  puppet_->Tell("echo");
  std::vector<std::thread> threads;
  threads.emplace_back([&] { EXPECT_EQ(SendEnd(*mine_).code(), kUnavailable); });
  threads.emplace_back([&] { EXPECT_EQ(ReceiveEnd(*mine_).code(), kUnavailable); });
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      mine_->Close();
      mine_->Close();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(puppet_->Answer(), StartsWith("UNAVAILABLE: "));
}

TEST_P(ConnectionContract, C09FramesFlushedBeforeCloseArrive) {
  for (uint32_t call = 0; call < 3; ++call) {
    ASSERT_TRUE(Send(*mine_, call, Pattern(call, 10)).ok());
  }
  mine_->Close();
  mine_.reset();
  EXPECT_EQ(puppet_->Ask("receive 3"), "ok");
  EXPECT_THAT(puppet_->Ask("receive 1"), StartsWith("UNAVAILABLE: "));
}

TEST_P(ConnectionContract, C10FramesOfAPeerThatClosedComeFirst) {
  for (int call = 1; call <= 3; ++call) {
    ASSERT_EQ(puppet_->Ask(absl::StrCat("send ", call, " 10")), "ok");
  }
  ASSERT_EQ(puppet_->Ask("close"), "ok");
  for (uint32_t call = 1; call <= 3; ++call) {
    const auto frame = Receive(*mine_);
    ASSERT_TRUE(frame.ok()) << frame.status();
    EXPECT_EQ(frame->header.call, call);
  }
  EXPECT_EQ(ReceiveEnd(*mine_).code(), kUnavailable);
}

TEST_P(ConnectionContract, C10FramesComeFirstEvenWhenThePeerHasLeftSomeUnread) {
  ASSERT_TRUE(Send(*mine_, 1, Pattern(1, 10)).ok());
  for (int call = 1; call <= 3; ++call) {
    ASSERT_EQ(puppet_->Ask(absl::StrCat("send ", call, " 10")), "ok");
  }
  puppet_.reset();
  for (uint32_t call = 1; call <= 3; ++call) {
    const auto frame = Receive(*mine_);
    ASSERT_TRUE(frame.ok()) << frame.status();
    EXPECT_EQ(frame->header.call, call);
  }
  EXPECT_EQ(ReceiveEnd(*mine_).code(), kUnavailable);
}

TEST_P(ConnectionContract, C10TheEndIsFinal) {
  ASSERT_EQ(puppet_->Ask("close"), "ok");
  const absl::Status end = ReceiveEnd(*mine_);
  EXPECT_EQ(end.code(), kUnavailable);
  EXPECT_EQ(ReceiveEnd(*mine_), end);
  EXPECT_TRUE(Await(mine_->Arm(Interest::kReceive), 0)) << "one who waits would wait for ever";
  EXPECT_EQ(SendEnd(*mine_).code(), kUnavailable);
}

TEST_P(ConnectionContract, C10ErrorsBeginWithTheAddress) {
  ASSERT_EQ(puppet_->Ask("close"), "ok");
  EXPECT_THAT(mine_->peer().address, StartsWith(absl::StrCat(transport().scheme, ":")));
  EXPECT_THAT(std::string(ReceiveEnd(*mine_).message()), StartsWith(mine_->peer().address + ": "));
  EXPECT_THAT(std::string(SendEnd(*mine_).message()), StartsWith(mine_->peer().address + ": "));
}

TEST_P(KilledPeerContract, C11AKilledPeerIsUnavailable) {
  std::thread receiver([&] { EXPECT_EQ(ReceiveEnd(*mine_).code(), kUnavailable); });
  const int64_t start = SteadyNanos();
  puppet_->Kill();
  receiver.join();
  RecordProperty("microseconds_from_kill_to_unavailable",
                 static_cast<int>((SteadyNanos() - start) / 1000));
}

TEST_P(KilledPeerContract, C11FramesOfAKilledPeerComeFirst) {
  ASSERT_TRUE(Send(*mine_, 1, Pattern(1, 10)).ok());
  for (int call = 1; call <= 3; ++call) {
    ASSERT_EQ(puppet_->Ask(absl::StrCat("send ", call, " 10")), "ok");
  }
  puppet_->Kill();
  for (uint32_t call = 1; call <= 3; ++call) EXPECT_EQ(Receive(*mine_).value().header.call, call);
  EXPECT_EQ(ReceiveEnd(*mine_).code(), kUnavailable);
}

TEST_P(KilledPeerContract, C11ASenderWithoutRoomLearnsThatThePeerWasKilled) {
  Fill(1000);
  std::thread sender([&] { EXPECT_EQ(SendEnd(*mine_).code(), kUnavailable); });
  puppet_->Kill();
  sender.join();
}

// What a stranger may send: other protocols' first words, and nigh's own header gone wrong.
std::vector<std::string> Garbage() {
  std::vector<std::string> garbage = {
      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11),
      "hello\n",
      "x",
      std::string(100, '\0'),
      std::string(100, '\xff'),
  };
  std::mt19937 random(20'240'601);  // the same bytes on every run
  for (int i = 0; i < 50; ++i) {
    std::string bytes(1 + random() % 300, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    // Every other one with a length that is legal, so that the rest gets looked at.
    if (i % 2 == 0 && bytes.size() > 4) bytes[1] = bytes[2] = bytes[3] = 0;
    garbage.push_back(std::move(bytes));
  }
  return garbage;
}

TEST_P(StrangerContract, C12GarbageIsAnErrorAndNeverACrash) {
  auto listener = transport().listen(FreshAddress()).value();
  for (const std::string& bytes : Garbage()) {
    Stranger stranger(listener->address());
    stranger.Write(bytes);
    stranger.Hush();
    auto connection = Accept(*listener).value();
    const absl::Status end = ReceiveEnd(*connection);
    EXPECT_THAT(end.code(), AnyOf(absl::StatusCode::kInternal, kUnavailable)) << end;
    EXPECT_THAT(std::string(end.message()), StartsWith(connection->peer().address + ": "));
    connection.reset();
    stranger.AwaitEnd();
  }
  EXPECT_TRUE(testing::Connect(transport(), *listener).ok()) << "the listener is none the worse";
}

TEST_P(StrangerContract, C12GarbageClosesTheConnection) {
  auto listener = transport().listen(FreshAddress()).value();
  Stranger stranger(listener->address());
  stranger.Write("GET / HTTP/1.1\r\n\r\n");
  auto connection = Accept(*listener).value();
  const absl::Status end = ReceiveEnd(*connection);
  EXPECT_EQ(end.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(end.message()), ::testing::HasSubstr("does not speak nigh's protocol"));
  stranger.AwaitEnd();
}

}  // namespace
}  // namespace nigh::testing
