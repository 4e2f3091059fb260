// Long messages over a connection that has bulk memory.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "google/protobuf/message_lite.h"
#include "gtest/gtest.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/frame_sender.h"
#include "nigh/transport/frame.h"
#include "tests/runtime/fake_connection.h"
#include "tests/runtime/frame_sender_fixture.h"

namespace nigh {
namespace {

using ::testing::ElementsAre;

// A message of 10 bytes, while whose serialisation something else happens.
class Meanwhile final : public google::protobuf::MessageLite {
 public:
  explicit Meanwhile(std::function<void()> happens) : happens_(std::move(happens)) {}

  std::string GetTypeName() const override { return "Meanwhile"; }
  MessageLite* New(google::protobuf::Arena*) const override { return new Meanwhile(happens_); }
  void Clear() override {}
  bool IsInitialized() const override { return true; }
  void CheckTypeAndMergeFrom(const MessageLite&) override {}
  size_t ByteSizeLong() const override { return 10; }
  int GetCachedSize() const override { return 10; }
  const char* _InternalParse(const char*, google::protobuf::internal::ParseContext*) override {
    return nullptr;
  }
  uint8_t* _InternalSerialize(uint8_t* to,
                              google::protobuf::io::EpsCopyOutputStream*) const override {
    happens_();
    std::memset(to, 'm', 10);
    return to + 10;
  }

 private:
  const std::function<void()> happens_;
};

class FrameSenderBulkTest : public FrameSenderTest {
 protected:
  FrameSenderBulkTest() {
    SetMaxPayload(4);
    connection_.bulk = 100;
  }
  bool InOrder() {
    MutexLock lock(sender_->mutex());
    return sender_->requests_are_in_order();
  }
  // Sends a long request for method 0, which has been declared.
  Sent LongRequest(uint32_t call, std::function<void()> meanwhile) {
    const Meanwhile message(std::move(meanwhile));
    MessageSource source(message);
    EXPECT_TRUE(source.Measure().ok());
    MutexLock lock(sender_->mutex());
    return sender_->SendRequestLocked(
        {.kind = FrameKind::kRequest, .flags = kMessage | kEnd, .call = call}, "/s", "", &source,
        /*descriptors=*/nullptr);
  }
};

TEST_F(FrameSenderBulkTest, LongMessagesLeaveWholeAndInOrder) {
  EXPECT_EQ(Message(1, "a"), Sent::kAll);
  EXPECT_EQ(Message(1, "a long one"), Sent::kAll);
  EXPECT_EQ(Message(1, "b"), Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("MESSAGE 1 1+0", "MESSAGE 1 10+0", "MESSAGE 1 1+0"));
  EXPECT_EQ(connection_.frames[1].payload, "a long one");
  EXPECT_EQ(connection_.allocations(), 0u);
  EXPECT_TRUE(sender_->idle());
}

TEST_F(FrameSenderBulkTest, WithoutMemoryTheyAreCut) {
  connection_.bulk = 9;
  EXPECT_EQ(Message(1, "a long one"), Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("MESSAGE 1 4+6", "PIECE 1 4+2", "PIECE 1 2+0"));
}

TEST_F(FrameSenderBulkTest, WithoutRoomTheyWaitAsShortOnesDo) {
  connection_.room = 0;
  EXPECT_EQ(Message(1, "a long one"), Sent::kSome);
  EXPECT_EQ(Message(1, "b"), Sent::kSome);
  EXPECT_EQ(Message(2, "c"), Sent::kSome);
  EXPECT_EQ(connection_.allocations(), 1u);
  EXPECT_TRUE(sender_->congested());
  EXPECT_FALSE(sender_->holds_back());
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("MESSAGE 1 10+0", "MESSAGE 2 1+0", "MESSAGE 1 1+0"));
  EXPECT_EQ(connection_.allocations(), 0u);
}

TEST_F(FrameSenderBulkTest, WhatIsDroppedIsFreed) {
  connection_.room = 0;
  EXPECT_EQ(Message(1, "a long one"), Sent::kSome);
  sender_->Drop(1);
  EXPECT_EQ(connection_.allocations(), 0u);
  EXPECT_EQ(connection_.bulk, 100u);
}

TEST_F(FrameSenderBulkTest, OthersSendWhileOneIsSerialised) {
  ASSERT_EQ(Request(1, 0, "/s", "a"), Sent::kAll);
  connection_.frames.clear();
  EXPECT_EQ(LongRequest(2,
                        [this] {
                          EXPECT_EQ(Message(1, "b"), Sent::kAll);
                          EXPECT_FALSE(sender_->holds_back());
                          EXPECT_FALSE(sender_->idle()) << "somebody must see to the long one";
                        }),
            Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("MESSAGE 1 1+0", "REQUEST 2 10+0"));
  EXPECT_TRUE(InOrder());
}

// Whoever counts them would take the one that the server has for the other.
TEST_F(FrameSenderBulkTest, ARequestThatOvertakesOneIsNoticed) {
  ASSERT_EQ(Request(1, 0, "/s", "a"), Sent::kAll);
  connection_.frames.clear();
  EXPECT_EQ(LongRequest(2, [this] { EXPECT_EQ(Request(3, 0, "/s", "b"), Sent::kAll); }),
            Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("REQUEST 3 1+0", "REQUEST 2 10+0"));
  EXPECT_FALSE(InOrder());
}

}  // namespace
}  // namespace nigh
