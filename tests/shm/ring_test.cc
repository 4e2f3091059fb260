#include "nigh/transports/shm/ring.h"

#include <sys/eventfd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/shm/control_page.h"

namespace nigh {
namespace {

using ::testing::HasSubstr;

std::string Payload(uint32_t call, size_t size) {
  std::string payload(size, '\0');
  for (size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(call * 31 + i);
  return payload;
}

// Both ends of a ring over an array.
class RingTest : public ::testing::Test {
 protected:
  explicit RingTest(size_t size = kMinRing, size_t bulk = 0)
      : data_(size), bulk_(bulk), sender_(absl::MakeSpan(data_), senders_) {
    sender_.Attach(receivers_);
  }

  bool Queue(uint32_t call, absl::string_view payload) {
    const std::optional<ByteSpan> claim = sender_.Claim(payload.size());
    if (!claim.has_value()) return false;
    EXPECT_GE(claim->size(), payload.size());
    if (!payload.empty()) std::memcpy(claim->data(), payload.data(), payload.size());
    sender_.Commit({.length = static_cast<uint32_t>(payload.size()),
                    .kind = FrameKind::kMessage,
                    .call = call});
    return true;
  }
  bool Send(uint32_t call, absl::string_view payload) {
    if (!Queue(call, payload)) return false;
    sender_.Publish();
    return sender_.broken().ok();
  }
  // One look; how many frames it has found.
  uint32_t Receive(absl::Span<Frame> frames) {
    const Received received = receiver_.Receive(frames);
    all_ = received.all;
    soon_ = received.soon;
    return received.frames;
  }
  // The next frame, or nothing.
  std::optional<Frame> Receive() {
    Frame frame;
    return Receive(absl::MakeSpan(&frame, 1)) == 0 ? std::nullopt : std::optional(frame);
  }
  void ExpectFrame(uint32_t call, size_t size) {
    const std::optional<Frame> frame = Receive();
    ASSERT_TRUE(frame.has_value()) << receiver_.broken();
    EXPECT_EQ(frame->header.call, call);
    EXPECT_EQ(AsText(frame->payload), Payload(call, size));
    receiver_.Release(1);
  }
  // What the receiver says of what the sender's memory holds by now, twice.
  std::string Refusal() {
    EXPECT_EQ(Receive(), std::nullopt);
    const absl::Status first = receiver_.broken();
    EXPECT_EQ(first.code(), absl::StatusCode::kInternal) << first;
    EXPECT_EQ(Receive(), std::nullopt);
    EXPECT_EQ(receiver_.broken(), first) << "it is final";
    EXPECT_TRUE(receiver_.Arm().found) << "one who waits would wait for ever";
    return std::string(first.message());
  }
  // A header at the beginning of the ring, and the tail behind `written` bytes.
  void Forge(const FrameHeader& header, uint64_t written) {
    EncodeFrameHeader(header, data_.data());
    senders_.tail = written;
  }

  bool all_ = false;  // what the last Receive has said
  bool soon_ = false;
  std::vector<size_t> sizes_;
  std::vector<std::byte> data_;
  std::vector<std::byte> bulk_;
  ControlPage senders_;
  ControlPage receivers_;
  RingSender sender_;
  RingReceiver receiver_{
      data_, senders_, receivers_,
      bulk_.empty() ? nullptr
                    : std::make_shared<BulkView>(ConstByteSpan(bulk_), receivers_, nullptr)};
};

class LargerRingTest : public RingTest {
 protected:
  LargerRingTest() : RingTest(1024 * 1024) {}
};

TEST_F(RingTest, CarriesFramesOfEverySizeManyTimesAround) {
  std::mt19937 random(1);
  for (uint32_t call = 0; call < 20'000; ++call) {
    const size_t size = call % 7 == 0 ? random() % (kMaxRecordPayload + 1) : random() % 300;
    ASSERT_TRUE(Send(call, Payload(call, size))) << call;
    ASSERT_NO_FATAL_FAILURE(ExpectFrame(call, size)) << call;
  }
}

TEST_F(RingTest, ShowsNothingBeforePublish) {
  ASSERT_TRUE(Queue(1, "a"));
  EXPECT_EQ(Receive(), std::nullopt);
  sender_.Publish();
  EXPECT_TRUE(Receive().has_value());
}

TEST_F(RingTest, OneLookFindsSeveralFramesThatAreReleasedOneByOneOrTogether) {
  std::mt19937 random(1);
  uint32_t sent = 0;
  uint32_t received = 0;
  for (int round = 0; round < 2000; ++round) {
    // Long ones, so that skips come amid a look.
    for (size_t left = random() % 20; left > 0; --left) {
      const size_t size = random() % 4000;
      if (!Send(sent, Payload(sent, size))) break;
      sizes_.push_back(size);
      ++sent;
    }
    std::array<Frame, 7> frames;
    const uint32_t count = Receive(absl::MakeSpan(frames));
    ASSERT_TRUE(receiver_.broken().ok()) << receiver_.broken();
    ASSERT_GE(count, received == sent ? 0u : 1u);
    for (uint32_t i = 0; i < count; ++i, ++received) {
      ASSERT_EQ(frames[i].header.call, received);
      ASSERT_EQ(AsText(frames[i].payload), Payload(received, sizes_[received]));
      if (round % 2 == 0) receiver_.Release(1);
    }
    if (round % 2 != 0 && count > 0) receiver_.Release(count);
  }
  EXPECT_GT(received, 5000u);
}

TEST_F(RingTest, SaysWhetherThatWasAllThatHadCome) {
  std::array<Frame, 2> frames;
  EXPECT_EQ(Receive(absl::MakeSpan(frames)), 0u);
  EXPECT_TRUE(all_);
  for (uint32_t call = 0; call < 3; ++call) ASSERT_TRUE(Send(call, Payload(call, 8)));
  EXPECT_EQ(Receive(absl::MakeSpan(frames)), 2u);
  EXPECT_FALSE(all_) << "there was no place for the third";
  receiver_.Release(2);
  ASSERT_TRUE(Send(3, Payload(3, 8)));
  EXPECT_EQ(Receive(absl::MakeSpan(frames)), 1u);
  EXPECT_FALSE(all_) << "it has not looked since";
  receiver_.Release(1);
  EXPECT_EQ(Receive(absl::MakeSpan(frames)), 1u);
  EXPECT_TRUE(all_);
  receiver_.Release(1);
}

TEST_F(RingTest, ASkipAmidALookIsNotAll) {
  uint32_t sent = 0;
  // Up to 100 bytes before the end, where the next record does not fit.
  while (Send(sent, Payload(sent, 1000))) ++sent;
  for (uint32_t call = 0; call < sent; ++call) ASSERT_NO_FATAL_FAILURE(ExpectFrame(call, 1000));
  ASSERT_TRUE(Send(0, Payload(0, 100)));
  ASSERT_NO_FATAL_FAILURE(ExpectFrame(0, 100));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Send(1, Payload(1, 30'000)));
    ASSERT_NO_FATAL_FAILURE(ExpectFrame(1, 30'000));
  }
  ASSERT_TRUE(Send(2, Payload(2, 8)) && Send(3, Payload(3, 32'000)) && Send(4, Payload(4, 32'000)));
  std::array<Frame, 8> frames;
  uint32_t count = Receive(absl::MakeSpan(frames));
  while (!all_) {
    ASSERT_GT(count, 0u);
    receiver_.Release(count);
    count = Receive(absl::MakeSpan(frames));
  }
  EXPECT_EQ(receiver_.Arm().found, count != 0);
}

TEST_F(RingTest, WhatCameBeforeABrokenRecordIsReceived) {
  ASSERT_TRUE(Send(1, Payload(1, 8)));
  EncodeFrameHeader({.length = kMaxRecordPayload + 1, .kind = FrameKind::kMessage}, &data_[64]);
  senders_.tail = kMinRing;
  std::array<Frame, 4> frames;
  EXPECT_EQ(Receive(absl::MakeSpan(frames)), 1u);
  receiver_.Release(1);
  EXPECT_THAT(Refusal(), HasSubstr("frame of 32745 bytes"));
}

TEST_F(RingTest, AClaimWithoutCommitNeverHappenedAndACommitMayBeShorter) {
  ASSERT_TRUE(sender_.Claim(1000).has_value());
  const std::optional<ByteSpan> claim = sender_.Claim(500);
  ASSERT_TRUE(claim.has_value());
  std::memcpy(claim->data(), Payload(1, 3).data(), 3);
  sender_.Commit({.length = 3, .kind = FrameKind::kMessage, .call = 1});
  ASSERT_TRUE(Send(2, Payload(2, 10)));
  ExpectFrame(1, 3);
  ExpectFrame(2, 10);
}

TEST_F(RingTest, FullIsNoRoomUntilTheReaderHasRead) {
  uint32_t sent = 0;
  while (Send(sent, Payload(sent, 1000))) ++sent;
  EXPECT_EQ(sent, kMinRing / 1024);
  EXPECT_FALSE(sender_.ArmRoom());
  bool rung = false;
  for (uint32_t call = 0; call < sent; ++call) {
    ASSERT_TRUE(Receive().has_value());
    rung |= receiver_.Release(1);
  }
  EXPECT_TRUE(rung) << "the sender sleeps";
  EXPECT_TRUE(Send(sent, Payload(sent, 1000)));
}

TEST_F(RingTest, RoomIsRoomHoweverLongAgoThereWasNone) {
  uint32_t sent = 0;
  while (Send(sent, Payload(sent, 1000))) ++sent;
  for (uint32_t call = 0; call < sent; ++call) ASSERT_NO_FATAL_FAILURE(ExpectFrame(call, 1000));
  for (uint32_t call = 0; call < 2 * sent; ++call) {
    ASSERT_TRUE(Send(call, Payload(call, 1000)));
    ASSERT_NO_FATAL_FAILURE(ExpectFrame(call, 1000));
  }
  EXPECT_TRUE(sender_.ArmRoom());
}

// The reader owes the writer up to an eighth of the ring; that must never be what it waits for.
TEST_F(RingTest, WhateverTheReaderOwesAnyClaimFitsARingThatHasBeenRead) {
  for (size_t before = 0; before < kMinRing; before += kRecordAlignment) {
    ASSERT_TRUE(Send(1, Payload(1, 8)));
    ASSERT_NO_FATAL_FAILURE(ExpectFrame(1, 8));
    ASSERT_TRUE(sender_.Claim(kMaxRecordPayload).has_value()) << "at " << before;
  }
}

TEST_F(LargerRingTest, TheReaderIsRungForOnceASleep) {
  ASSERT_TRUE(Queue(0, "x"));
  EXPECT_FALSE(sender_.Publish()) << "nobody sleeps";
  EXPECT_TRUE(receiver_.Arm().found);
  ASSERT_TRUE(Receive().has_value());
  receiver_.Release(1);
  EXPECT_FALSE(receiver_.Arm().found);
  ASSERT_TRUE(Queue(1, "x"));
  EXPECT_TRUE(sender_.Publish());
  ASSERT_TRUE(Queue(2, "x"));
  EXPECT_FALSE(sender_.Publish()) << "it has been rung for";
  EXPECT_FALSE(sender_.Publish()) << "nothing new";
}

TEST_F(RingTest, WhatWasSentBeforeThePeerWasKnownIsRungForAfterwards) {
  RingSender early(absl::MakeSpan(data_), senders_);
  ASSERT_TRUE(early.Claim(0).has_value());
  early.Commit({.kind = FrameKind::kMessage});
  EXPECT_FALSE(early.Publish());
  receivers_.data_mark = 0;  // the peer looked before that, and sleeps
  early.Attach(receivers_);
  EXPECT_TRUE(early.Publish());
  EXPECT_FALSE(early.Publish());
}

// What a reader makes of a writer that lies.

TEST_F(RingTest, ATailBeyondTheRingIsRefused) {
  senders_.tail = kMinRing + 64;
  EXPECT_THAT(Refusal(), HasSubstr("it has written up to 131136"));
}

TEST_F(RingTest, ATailThatGoesBackwardsIsRefused) {
  ASSERT_TRUE(Send(1, Payload(1, 200)));
  ExpectFrame(1, 200);
  senders_.tail = 64;
  EXPECT_THAT(Refusal(), HasSubstr("it has written up to 64"));
}

TEST_F(RingTest, ATailBetweenRecordsIsRefused) {
  senders_.tail = 65;
  EXPECT_THAT(Refusal(), HasSubstr("in steps of 64"));
}

TEST_F(RingTest, AFrameThatIsTooLongIsRefused) {
  Forge({.length = kMaxRecordPayload + 1, .kind = FrameKind::kMessage}, kMinRing);
  EXPECT_THAT(Refusal(), HasSubstr("frame of 32745 bytes"));
}

TEST_F(RingTest, ARecordBeyondWhatWasWrittenIsRefused) {
  Forge({.length = 41, .kind = FrameKind::kMessage}, 64);
  EXPECT_THAT(Refusal(), HasSubstr("a record of 128 bytes, where the peer has written 64"));
}

TEST_F(RingTest, ARecordBeyondTheEndIsRefused) {
  while (Send(1, Payload(1, 8))) {
  }
  for (size_t i = 0; i < kMinRing / 64 - 1; ++i) ExpectFrame(1, 8);
  EncodeFrameHeader({.length = 100, .kind = FrameKind::kMessage}, &data_[kMinRing - 64]);
  senders_.tail = kMinRing + 64;
  EXPECT_THAT(Refusal(), HasSubstr("the ring ends after 64"));
}

TEST_F(RingTest, SkipsWithoutEndAreRefused) {
  Forge({.kind = static_cast<FrameKind>(0)}, kMinRing);
  EXPECT_THAT(Refusal(), HasSubstr("a skip of the whole ring"));
}

TEST_F(RingTest, ASkipAloneIsTakenForNothing) {
  ASSERT_TRUE(Send(1, Payload(1, 8)));
  ExpectFrame(1, 8);
  EncodeFrameHeader({.kind = static_cast<FrameKind>(0)}, &data_[64]);
  senders_.tail = kMinRing;
  EXPECT_EQ(Receive(), std::nullopt);
  EXPECT_EQ(Receive(), std::nullopt);
  EXPECT_FALSE(receiver_.Arm().found);
}

TEST_F(RingTest, ANoticeOfWhoHasNoBulkMemoryIsRefused) {
  ASSERT_TRUE(sender_.CommitNotice());
  sender_.Publish();
  EXPECT_THAT(Refusal(), HasSubstr("a record of 131072 bytes, where the peer has written 64"));
}

// The peer has bulk memory.
class NoticeTest : public RingTest {
 protected:
  NoticeTest() : RingTest(kMinRing, 1 << 20) {}

  bool Notice() {
    if (!sender_.CommitNotice()) return false;
    sender_.Publish();
    return true;
  }
};

TEST_F(NoticeTest, ItIsToldOnceAndIsNoFrame) {
  ASSERT_TRUE(Notice());
  EXPECT_EQ(Receive(), std::nullopt);
  EXPECT_TRUE(soon_);
  EXPECT_TRUE(all_);
  EXPECT_EQ(Receive(), std::nullopt);
  EXPECT_FALSE(soon_);
  EXPECT_FALSE(receiver_.Arm().found);
  EXPECT_TRUE(sender_.IsEmpty());
}

TEST_F(NoticeTest, ItIsOverOnceAFrameHasFollowed) {
  ASSERT_TRUE(Send(1, "x") && Notice() && Send(2, "x"));
  std::array<Frame, 4> frames;
  EXPECT_EQ(Receive(absl::MakeSpan(frames)), 2u);
  EXPECT_FALSE(soon_);
  receiver_.Release(2);
  ASSERT_TRUE(Send(3, "x") && Notice());
  EXPECT_EQ(Receive(absl::MakeSpan(frames)), 1u);
  EXPECT_TRUE(soon_);
  receiver_.Release(1);
  EXPECT_FALSE(receiver_.Arm().found) << "it has been released with the frame before it";
  EXPECT_TRUE(sender_.IsEmpty());
}

TEST_F(NoticeTest, OneThatALookHasLeftHidesNothing) {
  ASSERT_TRUE(Send(1, Payload(1, 1)) && Notice());
  ASSERT_NO_FATAL_FAILURE(ExpectFrame(1, 1)) << "there was a place for one";
  ASSERT_TRUE(Send(2, Payload(2, 1)));
  ASSERT_NO_FATAL_FAILURE(ExpectFrame(2, 1));
  ASSERT_TRUE(Send(3, Payload(3, 1)) && Notice());
  ASSERT_NO_FATAL_FAILURE(ExpectFrame(3, 1));
  EXPECT_EQ(Receive(), std::nullopt);
  EXPECT_TRUE(soon_);
}

TEST_F(NoticeTest, ManyFillTheRingAndLeaveRoom) {
  for (int round = 0; round < 3; ++round) {
    int sent = 0;
    while (Notice()) ++sent;
    int looks = 0;
    do {
      EXPECT_EQ(Receive(), std::nullopt);
      ++looks;
    } while (!all_);
    EXPECT_GE(looks, sent / 32) << "a look takes no more";
    EXPECT_FALSE(receiver_.Arm().found);
    ASSERT_TRUE(Send(1, Payload(1, 1000)));
    ASSERT_NO_FATAL_FAILURE(ExpectFrame(1, 1000));
  }
}

// What a writer makes of a reader that lies.

class LyingReaderTest : public RingTest, public ::testing::WithParamInterface<uint64_t> {
 protected:
  LyingReaderTest() {
    // Up to 1024, of which 512 have been read.
    for (uint32_t call = 0; call < 16; ++call) Send(call, "x");
    receivers_.head = 512;
    while (Send(1, "x")) {
    }
  }
};

TEST_P(LyingReaderTest, IsFoundOut) {
  receivers_.head = GetParam();
  EXPECT_FALSE(sender_.Claim(kMaxRecordPayload).has_value());
  EXPECT_FALSE(sender_.Publish());
  const absl::Status refusal = sender_.broken();
  EXPECT_EQ(refusal.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(
      std::string(refusal.message()),
      HasSubstr(absl::StrCat("it has read up to ", GetParam(), ", where it may be between")));
  EXPECT_FALSE(sender_.ArmRoom());
  EXPECT_EQ(sender_.broken(), refusal) << "it is final";
}

TEST_P(LyingReaderTest, IsFoundOutByOneWhoIsAboutToSleep) {
  EXPECT_FALSE(sender_.Claim(kMaxRecordPayload).has_value());
  receivers_.head = GetParam();
  EXPECT_FALSE(sender_.ArmRoom());
  EXPECT_EQ(sender_.broken().code(), absl::StatusCode::kInternal);
}

INSTANTIATE_TEST_SUITE_P(Heads, LyingReaderTest,
                         ::testing::Values(0, 448, 513, uint64_t{1} << 40, ~uint64_t{0}));

// Two threads, of which each goes to sleep before every frame it reads and whenever there is no
// room.
class ParkingTest : public RingTest {
 protected:
  explicit ParkingTest(size_t bulk = 0) : RingTest(kMinRing, bulk) {}

  // An edge-triggered descriptor as threads use it.
  class Bell {
   public:
    Bell() : fd_(::eventfd(0, 0)) {}
    ~Bell() { ::close(fd_); }
    void Ring() const { ::eventfd_write(fd_, 1); }
    void Sleep() const {
      eventfd_t ignored;
      ::eventfd_read(fd_, &ignored);
    }

   private:
    const int fd_;
  };

  // A small ring is full often.
  void Run(uint32_t frames, size_t size) {
    const Bell data;
    const Bell room;
    std::thread reader([&] {
      for (uint32_t call = 0; call < frames;) {
        const RingReceiver::Armed armed = receiver_.Arm();
        if (armed.ring_room) room.Ring();
        if (!armed.found) data.Sleep();
        for (;;) {
          const std::optional<Frame> frame = Receive();
          ASSERT_TRUE(receiver_.broken().ok()) << receiver_.broken();
          if (!frame.has_value()) break;
          ASSERT_EQ(frame->header.call, call++);
          if (receiver_.Release(1)) room.Ring();
        }
      }
    });
    for (uint32_t call = 0; call < frames; ++call) {
      if (!bulk_.empty() && sender_.CommitNotice() && sender_.Publish()) data.Ring();
      while (!sender_.Claim(size).has_value()) {
        if (!sender_.ArmRoom()) room.Sleep();
      }
      sender_.Commit(
          {.length = static_cast<uint32_t>(size), .kind = FrameKind::kMessage, .call = call});
      if (sender_.Publish()) data.Ring();
    }
    reader.join();
  }
};

TEST_F(ParkingTest, NoFrameIsSleptThrough) { Run(300'000, 8); }

TEST_F(ParkingTest, NoRoomIsSleptThrough) { Run(30'000, kMaxRecordPayload); }

class ParkingNoticeTest : public ParkingTest {
 protected:
  ParkingNoticeTest() : ParkingTest(1 << 20) {}
};

TEST_F(ParkingNoticeTest, NoFrameIsSleptThrough) { Run(100'000, 8); }

TEST_F(ParkingNoticeTest, NoRoomIsSleptThrough) { Run(10'000, kMaxRecordPayload); }

}  // namespace
}  // namespace nigh
