// C1 to C5 and C8: what a frame is.

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "tests/contract/contract.h"
#include "tests/contract/frames.h"
#include "tests/contract/puppet.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

TEST_P(ConnectionContract, C01FramesArriveInTheOrderOfTheirCommits) {
  const uint32_t count = Rounds(5000);
  puppet_->Tell(absl::StrCat("flood ", count));
  for (uint32_t i = 0; i < count; ++i) {
    const auto frame = Receive(*mine_);
    ASSERT_TRUE(frame.ok()) << frame.status();
    ASSERT_EQ(frame->header.call, i);
    ASSERT_EQ(frame->payload, Pattern(i, FloodSize(i, mine_->max_payload())));
  }
  EXPECT_EQ(puppet_->Answer(), "ok");
}

TEST_P(ConnectionContract, C01OrderHoldsWhileBothDirectionsAreBusy) {
  const uint32_t count = Rounds(5000);
  puppet_->Tell("echo");
  std::thread sender([&] {
    for (uint32_t i = 0; i < count; ++i) {
      const std::string payload = Pattern(i, FloodSize(i, mine_->max_payload()));
      ASSERT_TRUE(Send(*mine_, i, payload).ok());
    }
  });
  for (uint32_t i = 0; i < count; ++i) {
    const auto frame = Receive(*mine_);
    ASSERT_TRUE(frame.ok()) << frame.status();
    ASSERT_EQ(frame->header.call, i);
    ASSERT_EQ(frame->payload, Pattern(i, FloodSize(i, mine_->max_payload())));
  }
  sender.join();
}

TEST_P(ConnectionContract, C02EveryBitOfTheHeaderArrives) {
  puppet_->Tell("echo");
  const FrameHeader all = {.length = 0,
                           .kind = static_cast<FrameKind>(0xff),
                           .flags = 0xff,
                           .method = std::numeric_limits<uint16_t>::max(),
                           .call = std::numeric_limits<uint32_t>::max(),
                           .rest = std::numeric_limits<uint32_t>::max(),
                           .aux = std::numeric_limits<uint64_t>::max()};
  const FrameHeader each = {.length = 0,
                            .kind = FrameKind::kCredit,
                            .flags = 1,
                            .method = 0x0203,
                            .call = 0x04050607,
                            .rest = 0x08090a0b,
                            .aux = 0x0c0d0e0f10111213};
  for (const FrameHeader& header : {all, each}) {
    ASSERT_TRUE(Send(*mine_, header, "").ok());
    EXPECT_EQ(Receive(*mine_).value().header, header);
  }
}

TEST_P(ConnectionContract, C02FramesFlushedTogetherStayApart) {
  puppet_->Tell("echo");
  for (uint32_t call = 0; call < 10; ++call) {
    ASSERT_TRUE(Queue(*mine_, MessageHeader(call), Pattern(call, call)).ok());
  }
  ASSERT_TRUE(FlushAll(*mine_).ok());
  for (uint32_t call = 0; call < 10; ++call) {
    EXPECT_EQ(Receive(*mine_).value().payload, Pattern(call, call));
  }
}

TEST_P(ConnectionContract, C03AnEmptyPayloadIsAFrame) {
  puppet_->Tell("echo");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Send(*mine_, 9, "").ok());
    const OwnedFrame frame = Receive(*mine_).value();
    EXPECT_EQ(frame.payload, "");
    EXPECT_EQ(frame.header.call, 9u);
  }
}

TEST_P(ConnectionContract, C04AnyPayloadUpToTheMaximumFits) {
  const size_t max = mine_->max_payload();
  ASSERT_GE(max, kMinMaxPayload);
  puppet_->Tell("echo");
  std::vector<size_t> sizes = {0, 1, 2, 7, 8, 9, 63, kMinMaxPayload, max - 1, max};
  for (size_t power = 128; power < max && !TheSubject().slow; power *= 2) {
    sizes.insert(sizes.end(), {power - 1, power, power + 1});
  }
  for (const size_t size : sizes) {
    ASSERT_TRUE(Send(*mine_, 1, Pattern(1, size)).ok());
    EXPECT_EQ(Receive(*mine_).value().payload, Pattern(1, size));
  }
}

TEST_P(ConnectionContract, C04AClaimIsAtLeastAsLongAsAskedFor) {
  for (const size_t size : {size_t{0}, size_t{1}, mine_->max_payload()}) {
    const std::optional<ByteSpan> claim = mine_->Claim(size);
    ASSERT_TRUE(claim.has_value());
    EXPECT_GE(claim->size(), size);
  }
}

TEST_P(ConnectionContract, C05AnAbandonedClaimIsInvisible) {
  puppet_->Tell("echo");
  ByteSpan abandoned = mine_->Claim(100).value();
  std::fill(abandoned.begin(), abandoned.end(), std::byte{0xee});
  ASSERT_TRUE(FlushAll(*mine_).ok());
  ASSERT_TRUE(Send(*mine_, 1, "kept").ok());
  EXPECT_EQ(Receive(*mine_).value().payload, "kept");
}

TEST_P(ConnectionContract, C05ACommitMayBeShorterThanItsClaim) {
  puppet_->Tell("echo");
  for (uint32_t call = 0; call < 3; ++call) {
    ByteSpan claim = mine_->Claim(mine_->max_payload()).value();
    const std::string payload = Pattern(call, 10 * call);
    std::copy(AsBytes(payload).begin(), AsBytes(payload).end(), claim.begin());
    FrameHeader header = MessageHeader(call);
    header.length = payload.size();
    mine_->Commit(header);
    ASSERT_TRUE(FlushAll(*mine_).ok());
    EXPECT_EQ(Receive(*mine_).value().payload, payload);
  }
}

TEST_P(ConnectionContract, C08BytesStayUntilRelease) {
  ASSERT_EQ(puppet_->Ask("send 1 10"), "ok");
  std::optional<Frame> held;
  while (!held.has_value()) {
    ASSERT_TRUE(Await(mine_->Arm(Interest::kReceive)));
    held = TryReceive(*mine_).value();
  }
  for (int call = 2; call <= 4; ++call) {
    ASSERT_EQ(puppet_->Ask(absl::StrCat("send ", call, " 10")), "ok");
  }
  EXPECT_EQ(AsText(held->payload), Pattern(1, 10));
  ASSERT_TRUE(Send(*mine_, 5, Pattern(5, 10)).ok());
  EXPECT_EQ(AsText(held->payload), Pattern(1, 10));
  mine_->Release(1);
  for (uint32_t call = 2; call <= 4; ++call) {
    EXPECT_EQ(Receive(*mine_).value().payload, Pattern(call, 10));
  }
}

}  // namespace
}  // namespace nigh::testing
