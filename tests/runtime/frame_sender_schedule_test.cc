#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nigh/transport/frame.h"
#include "tests/runtime/frame_sender_fixture.h"

namespace nigh {
namespace {

// Random schedules: whatever the medium does, each call's messages arrive whole and in order, each
// declaration before the requests that need it, and Resume says the truth.
class FrameSenderSchedule : public FrameSenderTest, public ::testing::WithParamInterface<uint32_t> {
 protected:
  size_t Pick(size_t below) { return std::uniform_int_distribution<size_t>(0, below - 1)(random_); }

  std::string Text() {
    std::string text(Pick(8) == 0 ? Pick(300) : Pick(20), '\0');
    for (char& c : text) c = static_cast<char>(Pick(256));
    return text;
  }

  void Act() {
    const auto call = static_cast<uint32_t>(Pick(5));
    switch (Pick(10)) {
      case 0:
      case 1:
      case 2: {
        const std::string text = Text();
        ASSERT_NE(Message(call, text), Sent::kFailed);
        sent_[call].push_back(text);
        break;
      }
      case 3: {
        // Calls of their own, so that dropping them is not mistaken for loss.
        const uint32_t fresh = next_call_++;
        const std::string text = Text();
        const auto method = static_cast<uint16_t>(Pick(4));
        ASSERT_NE(Request(fresh, method, absl::StrCat("/service/", method), text), Sent::kFailed);
        sent_[fresh].push_back(text);
        if (Pick(4) == 0) {
          const bool unheard_of = sender_->Drop(fresh);
          (unheard_of ? unheard_of_ : dropped_).insert(fresh);
        }
        break;
      }
      case 4:
        ASSERT_NE(Ping(pings_), Sent::kFailed);
        ++pings_;
        break;
      case 5:
        connection_.flushes = Pick(3) != 0;
        break;
      case 6:
      case 7:
        connection_.room_after_flush = Pick(40);
        break;
      default:
        connection_.room = std::min<size_t>(connection_.room + Pick(60), 1000);
        const Sent resumed = sender_->Resume();
        ASSERT_NE(resumed, Sent::kFailed);
        EXPECT_EQ(resumed == Sent::kAll, !sender_->Arm().has_value());
        EXPECT_EQ(sender_->holds_back(), sender_->Arm().value_or(Wake{.fd = 1}).ready());
        EXPECT_FALSE(resumed == Sent::kAll && sender_->congested());
    }
  }

  // What a receiver makes of the frames.
  void Read() {
    std::map<uint32_t, std::pair<std::string, uint32_t>> unfinished;
    std::set<uint16_t> declared;
    uint64_t pings = 0;
    for (const OwnedFrame& frame : connection_.frames) {
      const FrameHeader& header = frame.header;
      ASSERT_EQ(header.length, frame.payload.size());
      ASSERT_LE(frame.payload.size(), std::max(connection_.max_payload(), bulk_));
      switch (header.kind) {
        case FrameKind::kMethod:
          EXPECT_TRUE(declared.insert(header.method).second) << "declared twice";
          EXPECT_EQ(frame.payload, absl::StrCat("/service/", header.method));
          continue;
        case FrameKind::kPing:
          EXPECT_EQ(header.aux, pings++);
          continue;
        case FrameKind::kPiece:
          ASSERT_EQ(unfinished[header.call].second, header.length + header.rest);
          break;
        case FrameKind::kRequest:
          EXPECT_TRUE(declared.contains(header.method)) << "not declared";
          [[fallthrough]];
        default:
          ASSERT_EQ(unfinished[header.call].second, 0u) << "amid another";
      }
      auto& [text, rest] = unfinished[header.call];
      text += frame.payload;
      rest = header.rest;
      if (rest != 0) continue;
      std::deque<std::string>& expected = sent_[header.call];
      ASSERT_FALSE(expected.empty());
      EXPECT_EQ(text, expected.front());
      expected.pop_front();
      text.clear();
    }
    EXPECT_EQ(pings, pings_);
    for (const auto& [call, texts] : sent_) {
      if (unheard_of_.contains(call)) {
        EXPECT_FALSE(unfinished.contains(call)) << "heard of: call " << call;
      } else {
        // What was dropped too late has left in part or as a whole.
        EXPECT_TRUE(texts.empty() || dropped_.contains(call)) << "lost: call " << call;
      }
    }
  }

  std::mt19937 random_{GetParam()};
  std::map<uint32_t, std::deque<std::string>> sent_;
  std::set<uint32_t> unheard_of_;
  std::set<uint32_t> dropped_;
  uint32_t next_call_ = 100;
  uint64_t pings_ = 0;
  size_t bulk_ = 0;  // what the connection has had from the beginning
};

TEST_P(FrameSenderSchedule, DeliversEverythingWholeAndInOrder) {
  SetMaxPayload(10 + Pick(40));
  connection_.room = 0;
  for (int i = 0; i < 400 && !HasFatalFailure(); ++i) Act();
  connection_.flushes = true;
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  Read();
}

TEST_P(FrameSenderSchedule, AndWithBulkMemoryThatIsScarce) {
  SetMaxPayload(10 + Pick(40));
  connection_.bulk = bulk_ = 200;
  connection_.room = 0;
  for (int i = 0; i < 400 && !HasFatalFailure(); ++i) Act();
  connection_.flushes = true;
  EXPECT_EQ(ResumeWithRoom(), Sent::kAll);
  EXPECT_EQ(connection_.bulk, bulk_);
  Read();
}

INSTANTIATE_TEST_SUITE_P(Seeds, FrameSenderSchedule, ::testing::Range(0u, 200u));

}  // namespace
}  // namespace nigh
