// Long messages over a connection that sends from where payloads lie.

#include <cstddef>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/message_extras.h"
#include "nigh/message_io.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/frame_sender.h"
#include "nigh/transport/frame.h"
#include "tests/runtime/frame_sender_fixture.h"

namespace nigh {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr size_t kPiece = 10'000;

class FrameSenderMemoryTest : public FrameSenderTest {
 protected:
  FrameSenderMemoryTest() {
    connection_.from_memory = true;
    SetMaxPayload(kPiece);
  }
  // Sends a message of so many pieces, which finds no room at first. Returns where the first one
  // has left from.
  const std::byte* SendLong(size_t pieces) {
    connection_.room = 0;
    EXPECT_EQ(Message(1, std::string(pieces * kPiece, 'x')), Sent::kSome);
    const size_t before = connection_.kept.size();
    EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
    EXPECT_THAT(connection_.kept, SizeIs(before + pieces));
    return connection_.kept[before].first;
  }
};

TEST_F(FrameSenderMemoryTest, WhatWaitsLeavesFromWhereItWasSerialised) {
  const std::byte* const first = SendLong(3);
  EXPECT_THAT(Frames(),
              ElementsAre("MESSAGE 1 10000+20000", "PIECE 1 10000+10000", "PIECE 1 10000+0"));
  EXPECT_EQ(connection_.kept[1].first, first + kPiece);
  EXPECT_EQ(connection_.kept[2].first, first + 2 * kPiece);
}

TEST_F(FrameSenderMemoryTest, ShortMessagesAreCopied) {
  connection_.room = 0;
  EXPECT_EQ(Message(1, std::string(kPiece, 'x')), Sent::kSome);
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_THAT(connection_.kept, SizeIs(0));
}

TEST_F(FrameSenderMemoryTest, MemoryServesAgainOnceItHasLeft) {
  const std::byte* const first = SendLong(3);
  EXPECT_NE(SendLong(3), first) << "the connection has that still to send";
  connection_.kept.clear();
  EXPECT_EQ(SendLong(3), first);
}

TEST_F(FrameSenderMemoryTest, WhatIsDroppedStaysForTheConnection) {
  connection_.room = 1;
  EXPECT_EQ(Message(1, std::string(3 * kPiece, 'x')), Sent::kSome);
  EXPECT_THAT(connection_.kept, SizeIs(1));
  sender_->Drop(1);
  EXPECT_EQ(connection_.kept[0].first[kPiece - 1], std::byte{'x'});
}

// A peer that takes nothing more must not have memory that nobody counts.
TEST_F(FrameSenderMemoryTest, MemoryCountsUntilItHasLeft) {
  connection_.room = 0;
  EXPECT_EQ(Message(1, std::string(3 * kPiece, 'x')), Sent::kSome);
  EXPECT_EQ(Message(2, std::string(3 * kPiece, 'x')), Sent::kSome);
  connection_.flushes = false;
  // All of the first, and a piece of the second.
  connection_.room = 6;
  EXPECT_EQ(sender_->Resume(), Sent::kSome);
  sender_->Drop(2);
  EXPECT_GE(sender_->waiting_bytes(), 3 * kPiece);
  EXPECT_FALSE(sender_->idle());
  // That it has left is enough, whatever has come to the connection since.
  connection_.kept.clear();
  EXPECT_EQ(sender_->Resume(), Sent::kSome);
  EXPECT_EQ(sender_->waiting_bytes(), 0u);
  connection_.flushes = true;
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_TRUE(sender_->idle());
}

TEST_F(FrameSenderMemoryTest, MemoryOfWhatIsDroppedCountsUntilItHasLeft) {
  connection_.room = 0;
  EXPECT_EQ(Message(1, std::string(3 * kPiece, 'x')), Sent::kSome);
  connection_.flushes = false;
  connection_.room = 1;
  EXPECT_EQ(sender_->Resume(), Sent::kSome);
  sender_->Drop(1);
  EXPECT_GE(sender_->waiting_bytes(), 3 * kPiece);
  connection_.kept.clear();
  connection_.flushes = true;
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_EQ(sender_->waiting_bytes(), 0u);
}

TEST_F(FrameSenderMemoryTest, AttachmentLeavesFromWhereItIs) {
  const Extras extras = {.attachment = Attachment::Copy(std::string(2 * kPiece, 'a'))};
  MessageSource message("message");
  ASSERT_TRUE(message.Measure().ok());
  EXPECT_EQ(sender_->SendWith(extras, {.kind = FrameKind::kMessage, .flags = kMessage, .call = 1},
                              "", &message),
            Sent::kAll);
  ASSERT_THAT(connection_.frames, SizeIs(3));
  EXPECT_EQ(connection_.frames[0].header.rest, 2 * kPiece) << "what is ahead of it, by itself";
  ASSERT_THAT(connection_.kept, SizeIs(2));
  EXPECT_EQ(connection_.kept[0].first, extras.attachment.bytes().data());
  EXPECT_EQ(connection_.kept[1].first, extras.attachment.bytes().data() + kPiece);
}

}  // namespace
}  // namespace nigh
