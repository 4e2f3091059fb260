// C6 and C7: room, and waiting for it and for frames.

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "tests/contract/contract.h"
#include "tests/contract/frames.h"
#include "tests/contract/puppet.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

TEST_P(ConnectionContract, C06FullIsNoRoomAndRoomComesBack) {
  const uint32_t filled = Fill(1000);
  EXPECT_GT(filled, 0u);
  puppet_->Tell(absl::StrCat("receive ", filled + 1));
  ASSERT_TRUE(Send(*mine_, filled, Pattern(filled, 1000)).ok());
  EXPECT_EQ(puppet_->Answer(), "ok");
}

TEST_P(ConnectionContract, C06RoomForTheLargestFrameComesBackAfterSmallOnes) {
  const uint32_t filled = Fill(10);
  puppet_->Tell(absl::StrCat("receive ", filled + 1));
  ASSERT_TRUE(Send(*mine_, filled, Pattern(filled, mine_->max_payload())).ok());
  EXPECT_EQ(puppet_->Answer(), "ok");
}

TEST_P(ConnectionContract, C06AFullDirectionLeavesTheOtherOpen) {
  Fill(1000);
  ASSERT_EQ(puppet_->Ask("send 1 50"), "ok");
  EXPECT_EQ(Receive(*mine_).value().payload, Pattern(1, 50));
}

// Each side sleeps before every frame.
TEST_P(ConnectionContract, C07NoFrameIsSleptThrough) {
  puppet_->Tell("echo");
  const uint32_t rounds = Rounds(2000);
  for (uint32_t i = 0; i < rounds; ++i) {
    ASSERT_TRUE(Send(*mine_, i, Pattern(i, 20)).ok());
    const auto frame = Receive(*mine_);
    ASSERT_TRUE(frame.ok()) << "round " << i << ": " << frame.status();
    ASSERT_EQ(frame->header.call, i);
  }
}

// The sender sleeps whenever there is no room, the receiver whenever there is no frame.
TEST_P(ConnectionContract, C07NoRoomIsSleptThrough) {
  puppet_->Tell("sink");
  const uint32_t count = Rounds(5000);
  for (uint32_t i = 0; i < count; ++i) {
    const std::string payload = Pattern(i, FloodSize(i, mine_->max_payload()));
    ASSERT_TRUE(Queue(*mine_, MessageHeader(i), payload).ok());
  }
  ASSERT_TRUE(FlushAll(*mine_).ok());
  mine_->Close();
  EXPECT_EQ(puppet_->Answer(), absl::StrCat("ok ", count));
}

TEST_P(ConnectionContract, C07ArmSeesWhatCameBeforeIt) {
  ASSERT_EQ(puppet_->Ask("send 1 10"), "ok");
  ASSERT_EQ(puppet_->Ask("send 2 10"), "ok");
  EXPECT_TRUE(Await(mine_->Arm(Interest::kReceive)));
  EXPECT_EQ(Receive(*mine_).value().header.call, 1u);
  EXPECT_TRUE(Await(mine_->Arm(Interest::kReceive)));
  EXPECT_EQ(Receive(*mine_).value().header.call, 2u);
}

TEST_P(ConnectionContract, C07ArmSeesWhatComesAfterIt) {
  ASSERT_EQ(TryReceive(*mine_).value(), std::nullopt);
  const Wake wake = mine_->Arm(Interest::kReceive);
  ASSERT_FALSE(wake.ready());
  EXPECT_FALSE(Await(wake, 0));
  ASSERT_EQ(puppet_->Ask("send 1 10"), "ok");
  EXPECT_TRUE(Await(wake));
}

TEST_P(ConnectionContract, C07TheDescriptorStaysTheSame) {
  const int fd = mine_->Arm(Interest::kReceive).fd;
  ASSERT_EQ(puppet_->Ask("send 1 10"), "ok");
  ASSERT_TRUE(Receive(*mine_).ok());
  EXPECT_EQ(TryReceive(*mine_).value(), std::nullopt);
  EXPECT_EQ(mine_->Arm(Interest::kReceive).fd, fd);
}

TEST_P(ConnectionContract, C07NothingIsReadyWhileNothingHappens) {
  puppet_->Tell("echo");
  int signals = 0;
  for (int frames = 1; frames <= 3; ++frames) {
    ASSERT_TRUE(Send(*mine_, 1, "x").ok());
    ASSERT_TRUE(Receive(*mine_).ok());
    ASSERT_EQ(TryReceive(*mine_).value(), std::nullopt);
    // One for each frame, which may come late.
    while (Await(mine_->Arm(Interest::kReceive), 0)) {
      ASSERT_LE(++signals, frames) << "a poller would run hot";
      ASSERT_EQ(TryReceive(*mine_).value(), std::nullopt);
    }
  }
}

}  // namespace
}  // namespace nigh::testing
