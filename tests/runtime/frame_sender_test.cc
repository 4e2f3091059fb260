#include "nigh/runtime/call/frame_sender.h"

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/transport/frame.h"
#include "tests/runtime/frame_sender_fixture.h"
#include "tests/runtime/strict.pb.h"

namespace nigh {
namespace {

using ::testing::ElementsAre;

TEST_F(FrameSenderTest, FrameThatFitsLeavesAsItIs) {
  const FrameHeader header{
      .kind = FrameKind::kResponse, .flags = kMessage, .call = 3, .aux = 0x1122334455667788};
  EXPECT_EQ(Send(header, "message", "sections"), Sent::kAll);
  ASSERT_EQ(connection_.frames.size(), 1u);
  FrameHeader expected = header;
  expected.flags |= kSections;
  expected.length = 15;
  EXPECT_EQ(connection_.frames[0].header, expected);
  EXPECT_EQ(connection_.frames[0].payload, "sectionsmessage");
  EXPECT_FALSE(sender_->congested());
  EXPECT_EQ(sender_->Arm(), std::nullopt);
}

TEST_F(FrameSenderTest, PayloadOfTheGreatestLengthIsOneFrameAndALongerOneIsTwo) {
  SetMaxPayload(10);
  EXPECT_EQ(Message(1, "0123456789"), Sent::kAll);
  EXPECT_EQ(Message(1, "0123456789a"), Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("MESSAGE 1 10+0", "MESSAGE 1 10+1", "PIECE 1 1+0"));
}

TEST_F(FrameSenderTest, FirstPieceCarriesTheHeaderAndTheOthersOnlyTheCall) {
  SetMaxPayload(4);
  const FrameHeader header{
      .kind = FrameKind::kRequest, .flags = kMessage | kEnd, .method = 7, .call = 2, .aux = 99};
  EXPECT_EQ(Send(header, "message"), Sent::kAll);
  ASSERT_EQ(connection_.frames.size(), 2u);
  FrameHeader first = header;
  first.length = 4;
  first.rest = 3;
  EXPECT_EQ(connection_.frames[0].header, first);
  EXPECT_EQ(connection_.frames[1].header,
            (FrameHeader{.length = 3, .kind = FrameKind::kPiece, .call = 2}));
  EXPECT_EQ(connection_.frames[0].payload + connection_.frames[1].payload, "message");
}

TEST_F(FrameSenderTest, EmptyFrameNeedsRoomOfItsOwn) {
  connection_.room = 0;
  EXPECT_EQ(Message(1, ""), Sent::kSome);
  EXPECT_TRUE(sender_->congested());
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("MESSAGE 1 0+0"));
}

TEST_F(FrameSenderTest, WithoutRoomTheFrameWaitsAndSomebodyMustPoll) {
  connection_.room = 0;
  EXPECT_EQ(Message(1, "later"), Sent::kSome);
  EXPECT_TRUE(connection_.frames.empty());
  EXPECT_TRUE(sender_->congested());
  const std::optional<Wake> wake = sender_->Arm();
  ASSERT_TRUE(wake.has_value());
  EXPECT_EQ(wake->fd, 1);
  EXPECT_EQ(sender_->Resume(), Sent::kSome);
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_FALSE(sender_->congested());
  EXPECT_EQ(sender_->Arm(), std::nullopt);
  ASSERT_EQ(connection_.frames.size(), 1u);
  EXPECT_EQ(connection_.frames[0].payload, "later");
}

TEST_F(FrameSenderTest, RoomThatAFlushMakesIsUsedAtOnce) {
  SetMaxPayload(4);
  connection_.room = 5;
  connection_.room_after_flush = 5;
  EXPECT_EQ(Message(1, "12345678"), Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("MESSAGE 1 4+4", "PIECE 1 4+0"));
}

TEST_F(FrameSenderTest, PartialFlushAsksForPollingUntilAllHasLeft) {
  connection_.flushes = false;
  EXPECT_EQ(Message(1, "text"), Sent::kSome);
  EXPECT_FALSE(sender_->congested()) << "the medium took it; writers may go on";
  EXPECT_TRUE(sender_->Arm().has_value());
  EXPECT_EQ(sender_->Resume(), Sent::kSome);
  connection_.flushes = true;
  EXPECT_EQ(sender_->Resume(), Sent::kAll);
  EXPECT_EQ(sender_->Arm(), std::nullopt);
}

TEST_F(FrameSenderTest, MessagesOfOneCallKeepTheirOrder) {
  SetMaxPayload(4);
  connection_.room = 0;
  ASSERT_NE(Message(1, "a"), Sent::kFailed);
  ASSERT_NE(Message(1, "bbbbbb"), Sent::kFailed);
  connection_.room = FakeConnection::kEndless;
  // There is room now, but what waits was first.
  EXPECT_EQ(Message(1, "c"), Sent::kSome);
  EXPECT_THAT(Frames(),
              ElementsAre("MESSAGE 1 1+0", "MESSAGE 1 4+2", "PIECE 1 2+0", "MESSAGE 1 1+0"));
}

TEST_F(FrameSenderTest, CallsTakeTurnsSoThatALongMessageDelaysNoShortOne) {
  SetMaxPayload(4);
  connection_.room = 0;
  ASSERT_NE(Message(1, "1111222233334444"), Sent::kFailed);
  ASSERT_NE(Message(2, "111122223"), Sent::kFailed);
  ASSERT_NE(Message(3, "short"), Sent::kFailed);
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("MESSAGE 1 4+12", "MESSAGE 2 4+5", "MESSAGE 3 4+1",
                                    "PIECE 1 4+8", "PIECE 2 4+1", "PIECE 3 1+0", "PIECE 1 4+4",
                                    "PIECE 2 1+0", "PIECE 1 4+0"));
}

TEST_F(FrameSenderTest, FramesThatFitOvertakeALongMessageWhichGetsAPieceInNowAndThen) {
  SetMaxPayload(4);
  connection_.room = 5;
  ASSERT_EQ(Message(1, "1111222233334444"), Sent::kSome);
  connection_.room = FakeConnection::kEndless;
  for (const uint32_t call : {2u, 3u, 4u, 5u, 6u}) EXPECT_EQ(Message(call, "s"), Sent::kAll);
  EXPECT_THAT(Frames(),
              ElementsAre("MESSAGE 1 4+12", "MESSAGE 2 1+0", "MESSAGE 3 1+0", "MESSAGE 4 1+0",
                          "MESSAGE 5 1+0", "PIECE 1 4+8", "MESSAGE 6 1+0"));
  EXPECT_TRUE(sender_->holds_back());
  EXPECT_TRUE(sender_->Arm().value().ready()) << "nothing will tell that there is room";
  EXPECT_EQ(sender_->Resume(), Sent::kSome) << "something has overtaken it just now";
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_FALSE(sender_->holds_back());
  EXPECT_THAT(Frames().back(), "PIECE 1 4+0");
}

TEST_F(FrameSenderTest, NothingOvertakesAMessageOfItsOwnCall) {
  SetMaxPayload(4);
  connection_.room = 5;
  ASSERT_EQ(Message(1, "11112222"), Sent::kSome);
  connection_.room = 1;
  EXPECT_EQ(Message(1, "a"), Sent::kSome);
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("MESSAGE 1 4+4", "PIECE 1 4+0", "MESSAGE 1 1+0"));
}

TEST_F(FrameSenderTest, FramesThatFitAndFindNoRoomLeaveFirst) {
  SetMaxPayload(4);
  connection_.room = 5;
  ASSERT_EQ(Message(1, "111122223333"), Sent::kSome);
  connection_.room = 0;
  ASSERT_EQ(Message(2, "2"), Sent::kSome);
  ASSERT_EQ(Message(3, "3"), Sent::kSome);
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("MESSAGE 1 4+8", "MESSAGE 2 1+0", "MESSAGE 3 1+0",
                                    "PIECE 1 4+4", "PIECE 1 4+0"));
}

TEST_F(FrameSenderTest, WhoeverEmptiesTheQueueIsTold) {
  SetMaxPayload(4);
  connection_.room = 5;
  ASSERT_EQ(Message(1, "11112222"), Sent::kSome);
  connection_.room = FakeConnection::kEndless;
  for (const uint32_t call : {2u, 3u, 4u}) ASSERT_EQ(Message(call, "s"), Sent::kAll);
  EXPECT_EQ(Message(5, "s"), Sent::kSome) << "the last piece has left with it, writers may go on";
  EXPECT_FALSE(sender_->congested());
}

// Nobody would tell a writer that has seen it wait.
TEST_F(FrameSenderTest, AMessageThatLeavesAtOnceIsNotSeenToWait) {
  bool has_room = false;
  std::atomic<bool> answered = false;
  std::thread writer;
  connection_.on_flush = [&] {
    connection_.on_flush = nullptr;
    writer = std::thread([&] {
      has_room = sender_->HasRoom(2);
      answered = true;
    });
    // Until the writer waits for whoever sends, or has got an answer already.
    while (!answered && !sender_->mutex().contended()) std::this_thread::yield();
  };
  EXPECT_EQ(Message(1, std::string(kMinMaxPayload + 1, 'x')), Sent::kAll);
  writer.join();
  EXPECT_TRUE(has_room);
}

TEST_F(FrameSenderTest, AShortMessageBehindTheLastPieceIsNotLeftAlone) {
  SetMaxPayload(4);
  connection_.room = 5;
  ASSERT_EQ(Message(1, "11112222"), Sent::kSome);
  ASSERT_EQ(Message(1, "s"), Sent::kSome);
  connection_.room = FakeConnection::kEndless;
  for (const uint32_t call : {2u, 3u, 4u}) ASSERT_EQ(Message(call, "s"), Sent::kAll);
  EXPECT_EQ(Message(5, "s"), Sent::kSome) << "the last piece has left with it";
  EXPECT_FALSE(sender_->holds_back());
  EXPECT_EQ(sender_->Resume(), Sent::kAll);
}

TEST_F(FrameSenderTest, WhoeverEmptiesTheQueueBehindItsOwnFrameIsTold) {
  SetMaxPayload(4);
  connection_.room = 0;
  ASSERT_EQ(Message(1, "1111"), Sent::kSome);
  connection_.room = FakeConnection::kEndless;
  EXPECT_EQ(Message(1, "2222"), Sent::kSome) << "the first has left with it, writers may go on";
  EXPECT_TRUE(sender_->idle());
  EXPECT_EQ(sender_->Resume(), Sent::kAll);
}

TEST_F(FrameSenderTest, ALongMessageGivesWayWhileItIsSerialised) {
  SetMaxPayload(1000);
  rpctest::Strict message;
  message.set_number(1);
  message.set_data(std::string(10'000, 'x'));
  MessageSource source(message);
  ASSERT_EQ(source.Measure(), absl::OkStatus());
  // Once the first piece has left, another thread wants to send.
  std::thread other;
  connection_.on_flush = [&] {
    connection_.on_flush = nullptr;
    other = std::thread([this] { EXPECT_NE(Message(2, "short"), Sent::kFailed); });
    while (!sender_->mutex().contended()) std::this_thread::yield();
  };
  ASSERT_NE(sender_->Send({.kind = FrameKind::kMessage, .flags = kMessage, .call = 1}, "", &source),
            Sent::kFailed);
  other.join();
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  const std::vector<std::string> frames = Frames();
  EXPECT_EQ(frames[0], absl::StrCat("MESSAGE 1 1000+", source.size() - 1000));
  EXPECT_EQ(frames[1], "MESSAGE 2 5+0");
  std::string bytes;
  for (const OwnedFrame& frame : connection_.frames) {
    if (frame.header.call == 1) bytes += frame.payload;
  }
  rpctest::Strict read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  EXPECT_EQ(read.data(), message.data());
}

TEST_F(FrameSenderTest, AFrameThatHasLeftIsNotRefusedForThePieceBehindIt) {
  SetMaxPayload(4);
  connection_.room = 5;
  ASSERT_EQ(Message(1, "111122223333"), Sent::kSome);
  connection_.room = FakeConnection::kEndless;
  for (const uint32_t call : {2u, 3u, 4u}) ASSERT_EQ(Message(call, "s"), Sent::kAll);
  connection_.error = absl::UnavailableError("gone");
  EXPECT_EQ(Message(5, "s"), Sent::kSome) << "its bytes may have come before those of the piece";
}

TEST_F(FrameSenderTest, AWriterDoesNotWaitForWhatIsHeldBackOfOthers) {
  SetMaxPayload(4);
  connection_.room = 5;
  ASSERT_EQ(Message(1, "111122223333"), Sent::kSome);
  EXPECT_FALSE(sender_->HasRoom(2)) << "it waits for room, and others behind it";
  connection_.room = FakeConnection::kEndless;
  ASSERT_EQ(Message(2, "s"), Sent::kAll);
  EXPECT_TRUE(sender_->HasRoom(2));
  EXPECT_FALSE(sender_->HasRoom(1)) << "its own waits";
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_TRUE(sender_->HasRoom(1));
}

TEST_F(FrameSenderTest, LongMessagesTakeTurnsThoughNothingOvertakesThem) {
  SetMaxPayload(4);
  rpctest::Strict message;
  message.set_number(1);
  message.set_data("12345678");
  MessageSource source(message);
  ASSERT_EQ(source.Measure(), absl::OkStatus());
  connection_.room = 5;
  ASSERT_EQ(Message(1, "11112222"), Sent::kSome);
  connection_.room = 4;
  ASSERT_EQ(sender_->Send({.kind = FrameKind::kMessage, .flags = kMessage, .call = 2}, "", &source),
            Sent::kSome);
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  const std::vector<std::string> frames = Frames();
  EXPECT_EQ(frames[1], "PIECE 1 4+0") << "it was first";
}

TEST_F(FrameSenderTest, TellsWhetherARequestHasLeftBeforeAnEarlierOne) {
  const auto in_order = [this] {
    MutexLock lock(sender_->mutex());
    return sender_->requests_are_in_order();
  };
  SetMaxPayload(4);
  ASSERT_EQ(Request(1, 0, "/s", "a"), Sent::kAll);
  connection_.room = 5;
  ASSERT_EQ(Request(2, 0, "/s", "a long one"), Sent::kSome);
  connection_.room = FakeConnection::kEndless;
  ASSERT_EQ(Request(3, 0, "/s", "b"), Sent::kAll);
  EXPECT_TRUE(in_order()) << "the long one has begun before";
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  connection_.room = 2;
  ASSERT_EQ(Request(4, 0, "/s", "a long one"), Sent::kSome);
  ASSERT_EQ(Request(5, 0, "/s", "b"), Sent::kAll);
  EXPECT_FALSE(in_order());
}

TEST_F(FrameSenderTest, ControlFramesOvertakeMessagesButNotEachOther) {
  connection_.room = 0;
  ASSERT_NE(Message(1, "message"), Sent::kFailed);
  ASSERT_NE(Ping(1), Sent::kFailed);
  ASSERT_NE(sender_->Send({.kind = FrameKind::kCancel, .call = 1}, "", nullptr), Sent::kFailed);
  ASSERT_NE(sender_->Send({.kind = FrameKind::kCredit, .call = 2, .aux = 5}, "", nullptr),
            Sent::kFailed);
  ASSERT_NE(sender_->SendText({.kind = FrameKind::kGoAway}, "bye"), Sent::kFailed);
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("PING 0 0+0", "CANCEL 1 0+0", "CREDIT 2 0+0", "GO_AWAY 0 3+0",
                                    "MESSAGE 1 7+0"));
}

TEST_F(FrameSenderTest, ControlFrameOvertakesTheRestOfALongMessage) {
  SetMaxPayload(4);
  connection_.room = 5;
  ASSERT_NE(Message(1, "11112222"), Sent::kFailed);
  ASSERT_NE(Ping(1), Sent::kFailed);
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("MESSAGE 1 4+4", "PING 0 0+0", "PIECE 1 4+0"));
}

TEST_F(FrameSenderTest, MethodIsDeclaredOnceAndFirst) {
  EXPECT_EQ(Request(0, 5, "/s/Five", "a"), Sent::kAll);
  EXPECT_EQ(Request(1, 5, "/s/Five", "b"), Sent::kAll);
  EXPECT_EQ(Request(2, 0, "/s/Zero", "c"), Sent::kAll);
  EXPECT_EQ(Request(3, 5, "/s/Five", "d"), Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("METHOD 0 7+0", "REQUEST 0 1+0", "REQUEST 1 1+0",
                                    "METHOD 0 7+0", "REQUEST 2 1+0", "REQUEST 3 1+0"));
  EXPECT_EQ(connection_.frames[0].header.method, 5);
  EXPECT_EQ(connection_.frames[0].payload, "/s/Five");
  EXPECT_EQ(connection_.frames[3].header.method, 0);
}

TEST_F(FrameSenderTest, DeclarationThatFindsNoRoomIsNotOvertakenByItsShorterRequest) {
  // Room for the request, not for the declaration.
  connection_.room = 4;
  EXPECT_EQ(Request(0, 1, "/service/Method", "ab"), Sent::kSome);
  EXPECT_TRUE(connection_.frames.empty());
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("METHOD 0 15+0", "REQUEST 0 2+0"));
}

TEST_F(FrameSenderTest, DeclarationSurvivesTheCallThatCausedIt) {
  connection_.room = 0;
  ASSERT_NE(Request(0, 1, "/s/M", "a"), Sent::kFailed);
  EXPECT_TRUE(sender_->Drop(0));
  ASSERT_NE(Request(1, 1, "/s/M", "b"), Sent::kFailed);
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("METHOD 0 4+0", "REQUEST 1 1+0"));
}

TEST_F(FrameSenderTest, DropTellsWhetherThePeerWillEverHearOfTheCall) {
  SetMaxPayload(4);
  connection_.room = 0;
  ASSERT_NE(Request(1, 0, "/s", "untouched"), Sent::kFailed);
  ASSERT_NE(Message(1, "behind it"), Sent::kFailed);
  ASSERT_NE(Message(2, "only a message"), Sent::kFailed);
  EXPECT_TRUE(sender_->Drop(1));
  EXPECT_FALSE(sender_->Drop(1)) << "nothing of it waits any more";
  EXPECT_FALSE(sender_->Drop(2));
  EXPECT_FALSE(sender_->Drop(3));

  ASSERT_NE(Request(4, 0, "/s", "long request"), Sent::kFailed);
  connection_.room = 3 + 5;  // the declaration and one piece
  EXPECT_EQ(sender_->Resume(), Sent::kSome);
  EXPECT_FALSE(sender_->Drop(4)) << "a piece has left";
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("METHOD 0 2+0", "REQUEST 4 4+8"));
  EXPECT_FALSE(sender_->congested());
}

TEST_F(FrameSenderTest, DropLeavesOthersTheirTurns) {
  connection_.room = 0;
  for (const uint32_t call : {1u, 2u, 3u}) ASSERT_NE(Message(call, "m"), Sent::kFailed);
  ASSERT_NE(Ping(1), Sent::kFailed);
  sender_->Drop(2);
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_THAT(Frames(), ElementsAre("PING 0 0+0", "MESSAGE 1 1+0", "MESSAGE 3 1+0"));
}

TEST_F(FrameSenderTest, ErrorIsFinal) {
  const absl::Status error = absl::UnavailableError("fake:: send: gone");
  connection_.room = 0;
  ASSERT_NE(Message(1, "waits"), Sent::kFailed);
  connection_.error = error;
  // Taken over, then lost: whoever receives learns of it.
  EXPECT_EQ(Message(2, "text"), Sent::kSome);
  // The medium seems to work again; what was lost in between stays lost, so nothing may follow.
  connection_.error = absl::OkStatus();
  connection_.room = FakeConnection::kEndless;
  connection_.frames.clear();
  EXPECT_EQ(Message(2, "text"), Sent::kFailed);
  EXPECT_EQ(Ping(1), Sent::kFailed);
  EXPECT_EQ(Request(3, 0, "/s", "text"), Sent::kFailed);
  EXPECT_EQ(sender_->Resume(), Sent::kFailed);
  EXPECT_EQ(sender_->end(), error);
  EXPECT_TRUE(connection_.frames.empty());
  EXPECT_EQ(sender_->Arm(), std::nullopt);
  EXPECT_FALSE(sender_->congested());
  EXPECT_FALSE(sender_->Drop(1));
}

}  // namespace
}  // namespace nigh
