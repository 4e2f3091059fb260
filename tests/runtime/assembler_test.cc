#include "nigh/runtime/call/assembler.h"

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "tests/runtime/fake_connection.h"

namespace nigh {
namespace {

using ::testing::AllOf;
using testing::FakeConnection;
using ::testing::HasSubstr;

constexpr absl::string_view kText = "The quick brown fox jumps over the lazy dog";

// Its header has something in each field, so that a field which gets lost is missed.
Frame First(uint32_t call, absl::string_view payload, size_t rest) {
  return {{.length = static_cast<uint32_t>(payload.size()),
           .kind = FrameKind::kRequest,
           .flags = kMessage | kEnd,
           .method = 7,
           .call = call,
           .rest = static_cast<uint32_t>(rest),
           .aux = 99},
          AsBytes(payload)};
}

Frame Piece(uint32_t call, absl::string_view payload, size_t rest) {
  return {{.length = static_cast<uint32_t>(payload.size()),
           .kind = FrameKind::kPiece,
           .call = call,
           .rest = static_cast<uint32_t>(rest)},
          AsBytes(payload)};
}

// The payload that a piece finished; nullopt when it finished none.
std::optional<std::string> Finish(Assembler& assembler, const Frame& piece) {
  absl::StatusOr<std::optional<Assembler::Whole>> whole = assembler.Add(piece);
  EXPECT_TRUE(whole.ok()) << whole.status();
  if (!whole.ok() || !whole->has_value()) return std::nullopt;
  return std::string(AsText((*whole)->payload.bytes()));
}

TEST(Assembler, PayloadCutInTwoAnywhereComesOutWhole) {
  for (size_t cut = 1; cut < kText.size(); ++cut) {
    FakeConnection connection;
    Assembler assembler(connection);
    const size_t rest = kText.size() - cut;
    ASSERT_TRUE(assembler.Begin(First(3, kText.substr(0, cut), rest)).ok());
    EXPECT_EQ(assembler.Unfinished(3), FrameKind::kRequest);
    absl::StatusOr<std::optional<Assembler::Whole>> whole =
        assembler.Add(Piece(3, kText.substr(cut), 0));
    ASSERT_TRUE(whole.ok() && whole->has_value()) << "cut at " << cut;
    EXPECT_EQ(AsText((*whole)->payload.bytes()), kText);
    EXPECT_EQ((*whole)->header, First(3, kText, 0).header);
    EXPECT_EQ(assembler.Unfinished(3), std::nullopt);
  }
}

TEST(Assembler, PayloadCutInThreeAnywhereComesOutWhole) {
  for (size_t first = 1; first < kText.size() - 1; ++first) {
    for (size_t second = first + 1; second < kText.size(); ++second) {
      FakeConnection connection;
      Assembler assembler(connection);
      ASSERT_TRUE(assembler.Begin(First(0, kText.substr(0, first), kText.size() - first)).ok());
      EXPECT_EQ(
          Finish(assembler, Piece(0, kText.substr(first, second - first), kText.size() - second)),
          std::nullopt);
      EXPECT_EQ(Finish(assembler, Piece(0, kText.substr(second), 0)), kText);
    }
  }
}

TEST(Assembler, PieceThatContradictsWhatWasAnnouncedIsInternal) {
  // Ten bytes are missing; four come.
  for (const uint32_t rest : {0u, 1u, 5u, 7u, 10u, 0xffffffffu, 0xfffffffcu}) {
    FakeConnection connection;
    Assembler assembler(connection);
    ASSERT_TRUE(assembler.Begin(First(5, "begin", 10)).ok());
    const absl::Status status = assembler.Add(Piece(5, "four", rest)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("PIECE frame of call 5"), HasSubstr("10 were missing")));
  }
  FakeConnection connection;
  Assembler assembler(connection);
  ASSERT_TRUE(assembler.Begin(First(5, "begin", 10)).ok());
  EXPECT_EQ(assembler.Add(Piece(5, "eleven byte", 0)).status().code(), absl::StatusCode::kInternal);
}

TEST(Assembler, CallsMayInterleaveTheirPieces) {
  constexpr uint32_t kCalls = 20;
  FakeConnection connection;
  Assembler assembler(connection);
  std::vector<std::string> texts;
  for (uint32_t call = 0; call < kCalls; ++call) {
    texts.push_back(std::string(kText) + std::to_string(call));
    ASSERT_TRUE(
        assembler
            .Begin(First(call, absl::string_view(texts[call]).substr(0, 1), texts[call].size() - 1))
            .ok());
  }
  for (size_t at = 1; at < kText.size(); ++at) {
    for (uint32_t call = 0; call < kCalls; ++call) {
      const absl::string_view text = texts[call];
      EXPECT_EQ(Finish(assembler, Piece(call, text.substr(at, 1), text.size() - at - 1)),
                std::nullopt);
    }
  }
  for (uint32_t call = kCalls; call-- > 0;) {
    EXPECT_EQ(Finish(assembler, Piece(call, std::to_string(call), 0)), texts[call]);
  }
}

TEST(Assembler, SecondPayloadAmidTheFirstIsInternal) {
  FakeConnection connection;
  Assembler assembler(connection);
  ASSERT_TRUE(assembler.Begin(First(9, "begin", 10)).ok());
  const absl::Status status = assembler.Begin(First(9, "again", 10));
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("REQUEST frame of call 9"), HasSubstr("amid the pieces")));
}

TEST(Assembler, PieceOfNothingYieldsNothing) {
  FakeConnection connection;
  Assembler assembler(connection);
  EXPECT_EQ(Finish(assembler, Piece(1, "stray", 1000)), std::nullopt);
  EXPECT_EQ(Finish(assembler, Piece(1, "stray", 0)), std::nullopt);
  EXPECT_EQ(assembler.Unfinished(1), std::nullopt);
}

TEST(Assembler, AbandonedPayloadYieldsNothingAndMakesRoomForAnother) {
  FakeConnection connection;
  Assembler assembler(connection);
  ASSERT_TRUE(assembler.Begin(First(1, "aban", 4)).ok());
  ASSERT_TRUE(assembler.Begin(First(2, "kept", 4)).ok());
  assembler.Abandon(1);
  assembler.Abandon(77);  // never begun
  EXPECT_EQ(assembler.Unfinished(1), std::nullopt);
  EXPECT_EQ(Finish(assembler, Piece(1, "oned", 0)), std::nullopt);
  ASSERT_TRUE(assembler.Begin(First(1, "new", 1)).ok());
  EXPECT_EQ(Finish(assembler, Piece(1, "!", 0)), "new!");
  EXPECT_EQ(Finish(assembler, Piece(2, "too!", 0)), "kepttoo!");
}

TEST(Assembler, FrameThatOpensOrEndsACallAbandonsAnUnfinishedMessageOnly) {
  for (const FrameKind unfinished :
       {FrameKind::kRequest, FrameKind::kMessage, FrameKind::kResponse}) {
    for (const FrameKind next : {FrameKind::kRequest, FrameKind::kMessage, FrameKind::kResponse}) {
      FakeConnection connection;
      Assembler assembler(connection);
      Frame first = First(1, "begin", 1);
      first.header.kind = unfinished;
      ASSERT_TRUE(assembler.Begin(first).ok());
      EXPECT_TRUE(assembler.Interrupt({.kind = next, .call = 2}).ok()) << "another call's frame";
      const absl::Status status = assembler.Interrupt({.kind = next, .call = 1});
      const bool abandoned = unfinished == FrameKind::kMessage && next != FrameKind::kMessage;
      EXPECT_EQ(status.code(), abandoned ? absl::StatusCode::kOk : absl::StatusCode::kInternal);
      EXPECT_EQ(assembler.Unfinished(1), abandoned ? std::nullopt : std::optional(unfinished));
    }
  }
}

// Bytes of memory that this process has and that are there.
size_t Resident() {
  size_t total = 0;
  size_t resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kIsSanitized = true;
#else
constexpr bool kIsSanitized = false;
#endif

TEST(Assembler, AnnouncedSizeTakesNoMemoryInAdvance) {
  if (kIsSanitized) GTEST_SKIP() << "the sanitizer takes memory for each byte that is allocated";
  constexpr uint32_t kCalls = 100;
  constexpr size_t kSize = size_t{4} << 20;
  FakeConnection connection;
  Assembler assembler(connection);
  const size_t before = Resident();
  for (uint32_t call = 0; call < kCalls; ++call) {
    ASSERT_TRUE(assembler.Begin(First(call, "x", kSize - 1)).ok());
  }
  EXPECT_EQ(assembler.announced(), kCalls * kSize) << "it counts";
  EXPECT_LT(Resident() - before, kCalls * kSize / 8);
}

TEST(Assembler, SizeThatTheSystemHasNotIsRefused) {
  if (kIsSanitized) GTEST_SKIP() << "the sanitizer takes memory for each byte that is allocated";
  // 2 GiB each: having them would end many a process.
  FakeConnection connection;
  Assembler assembler(connection);
  for (uint32_t call = 0; call < 1000; ++call) {
    const absl::Status begun = assembler.Begin(First(call, "x", 0x7ffffffe));
    EXPECT_TRUE(begun.ok() || absl::IsResourceExhausted(begun)) << begun;
    assembler.Abandon(call);
  }
}

// As a connection that receives a piece where it was told to.
Frame PieceInPlace(const FakeConnection& connection, absl::string_view payload, size_t rest) {
  EXPECT_EQ(connection.place.size(), payload.size() + rest);
  std::memcpy(connection.place.data(), payload.data(), payload.size());
  return Piece(connection.place_call, AsText(connection.place.first(payload.size())), rest);
}

TEST(Assembler, PiecesThatAreWhereTheyBelongStayThere) {
  FakeConnection connection;
  Assembler assembler(connection);
  ASSERT_TRUE(assembler.Begin(First(3, "The ", 15)).ok());
  const std::byte* const place = connection.place.data();
  EXPECT_EQ(Finish(assembler, PieceInPlace(connection, "quick ", 9)), std::nullopt);
  EXPECT_EQ(connection.place.data(), place + 6);
  // One that had come before the place was known.
  EXPECT_EQ(Finish(assembler, Piece(3, "brown ", 3)), std::nullopt);
  EXPECT_EQ(connection.place.data(), place + 12);
  const absl::StatusOr<std::optional<Assembler::Whole>> whole =
      assembler.Add(PieceInPlace(connection, "fox", 0));
  ASSERT_TRUE(whole.ok() && whole->has_value());
  EXPECT_EQ(AsText((*whole)->payload.bytes()), "The quick brown fox");
  EXPECT_EQ((*whole)->payload.bytes().data() + 4, place);
  EXPECT_TRUE(connection.place.empty()) << "nothing is received there any more";
}

TEST(Assembler, ThePlaceIsThatOfTheCallThatCameLast) {
  FakeConnection connection;
  Assembler assembler(connection);
  ASSERT_TRUE(assembler.Begin(First(1, "one", 6)).ok());
  ASSERT_TRUE(assembler.Begin(First(2, "two", 6)).ok());
  EXPECT_EQ(connection.place_call, 2u);
  EXPECT_EQ(Finish(assembler, Piece(1, "one", 3)), std::nullopt);
  EXPECT_EQ(connection.place_call, 1u);
  EXPECT_EQ(Finish(assembler, PieceInPlace(connection, "one", 0)), "oneoneone");
  EXPECT_TRUE(connection.place.empty());
  EXPECT_EQ(Finish(assembler, Piece(2, "two", 3)), std::nullopt);
  EXPECT_EQ(Finish(assembler, PieceInPlace(connection, "two", 0)), "twotwotwo");
}

TEST(Assembler, NothingIsReceivedIntoWhatHasGone) {
  FakeConnection connection;
  {
    Assembler assembler(connection);
    ASSERT_TRUE(assembler.Begin(First(1, "begin", 10)).ok());
    assembler.Abandon(1);
    EXPECT_TRUE(connection.place.empty());
    Frame message = First(1, "begin", 10);
    message.header.kind = FrameKind::kMessage;
    ASSERT_TRUE(assembler.Begin(message).ok());
    EXPECT_FALSE(connection.place.empty());
    ASSERT_TRUE(assembler.Interrupt({.kind = FrameKind::kRequest, .call = 1}).ok());
    EXPECT_TRUE(connection.place.empty());
    ASSERT_TRUE(assembler.Begin(First(1, "begin", 10)).ok());
  }
  EXPECT_TRUE(connection.place.empty());
}

// Receives a payload of so many bytes, and gives it back.
void Assemble(Assembler& assembler, size_t size) {
  const std::string bytes(size, 'x');
  const absl::string_view all(bytes);
  ASSERT_TRUE(assembler.Begin(First(1, all.substr(0, 10), size - 10)).ok());
  absl::StatusOr<std::optional<Assembler::Whole>> whole =
      assembler.Add(Piece(1, all.substr(10), 0));
  ASSERT_TRUE(whole.ok() && whole->has_value());
  assembler.GiveBack((*whole)->payload);
}

TEST(Assembler, MemoryServesPayloadsOfAboutTheSameLengthAndCounts) {
  constexpr size_t kLong = 1'000'000;
  FakeConnection connection;
  Assembler assembler(connection);
  EXPECT_EQ(assembler.spare(), 0u);
  Assemble(assembler, kLong);
  const size_t spare = assembler.spare();
  EXPECT_GE(spare, kLong);
  EXPECT_EQ(assembler.announced(), 0u);
  Assemble(assembler, kLong / 4);
  EXPECT_EQ(assembler.spare(), spare) << "what is shorter does not take its place";
  // It takes what is there, all of which counts.
  ASSERT_TRUE(assembler.Begin(First(2, "x", kLong * 9 / 10)).ok());
  EXPECT_EQ(assembler.spare(), 0u);
  EXPECT_EQ(assembler.announced(), spare);
  assembler.Abandon(2);
  EXPECT_EQ(assembler.announced(), 0u);
  Assemble(assembler, kLong);
  // A much shorter one would keep more than it counts for.
  ASSERT_TRUE(assembler.Begin(First(2, "x", kLong / 2)).ok());
  EXPECT_EQ(assembler.announced(), kLong / 2 + 1);
  EXPECT_EQ(assembler.spare(), spare);
  assembler.Trim();
  EXPECT_EQ(assembler.spare(), 0u);
}

}  // namespace
}  // namespace nigh
