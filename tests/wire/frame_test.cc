#include "nigh/transport/frame.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "nigh/transport/bytes.h"

namespace nigh {
namespace {

constexpr size_t kMaxPayload = 1000;

bool IsValid(const FrameHeader& header) { return ValidateFrameHeader(header, kMaxPayload).ok(); }

TEST(FrameHeader, IsTwentyFourLittleEndianBytes) {
  const FrameHeader header = {.length = 0x04030201,
                              .kind = static_cast<FrameKind>(5),
                              .flags = 6,
                              .method = 0x0807,
                              .call = 0x0c0b0a09,
                              .rest = 0x100f0e0d,
                              .aux = 0x1817161514131211};
  std::byte bytes[kFrameHeaderSize];
  EncodeFrameHeader(header, bytes);
  for (size_t i = 0; i < kFrameHeaderSize; ++i) EXPECT_EQ(bytes[i], std::byte(i + 1));
  EXPECT_EQ(DecodeFrameHeader(bytes), header);
}

TEST(FrameHeader, AnyTwentyFourBytesDecodeAndEncodeToThemselves) {
  std::mt19937 random(1);
  for (int round = 0; round < 10'000; ++round) {
    std::byte bytes[kFrameHeaderSize], again[kFrameHeaderSize];
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    const FrameHeader header = DecodeFrameHeader(bytes);
    EncodeFrameHeader(header, again);
    ASSERT_EQ(AsText(bytes), AsText(again));
    ValidateFrameHeader(header, random()).IgnoreError();
  }
}

// What each kind may carry, as proto/PROTOCOL.md says.
struct Rules {
  FrameKind kind;
  uint8_t flags;
  bool method, call, payload, rest, aux;
};

constexpr uint8_t kAllOfAMessage = kSections | kMessage | kEnd | kAttachment;
constexpr Rules kRules[] = {
    {FrameKind::kHello, 0, false, false, true, false, false},
    {FrameKind::kMethod, 0, true, false, true, false, false},
    {FrameKind::kRequest, kAllOfAMessage, true, true, true, true, true},
    {FrameKind::kMessage, kAllOfAMessage, false, true, true, true, false},
    {FrameKind::kResponse, kSections | kMessage | kAttachment | kNeverBegun, false, true, true,
     true, true},
    {FrameKind::kCancel, 0, false, true, false, false, false},
    {FrameKind::kCredit, 0, false, true, false, false, true},
    {FrameKind::kPing, kAck, false, false, false, false, true},
    {FrameKind::kGoAway, 0, false, false, true, false, true},
    {FrameKind::kPiece, 0, false, true, true, true, false},
    {FrameKind::kMemory, 0, false, true, false, false, true},
};

// The plainest frame of that kind.
FrameHeader Plain(const Rules& rules) {
  return {.length = rules.kind == FrameKind::kPiece ? 1u : 0u, .kind = rules.kind};
}

TEST(ValidateFrameHeader, EveryKindHasAPlainFrame) {
  for (const Rules& rules : kRules) EXPECT_TRUE(IsValid(Plain(rules))) << FrameKindName(rules.kind);
}

TEST(ValidateFrameHeader, OtherKindsAreRefused) {
  for (int kind = 0; kind < 256; ++kind) {
    const bool known = kind >= 1 && kind <= 11;
    EXPECT_EQ(IsValid({.length = kind == 10 ? 1u : 0u, .kind = static_cast<FrameKind>(kind)}),
              known)
        << kind;
  }
}

TEST(ValidateFrameHeader, FlagsAreThoseOfTheKind) {
  for (const Rules& rules : kRules) {
    for (int flags = 0; flags < 256; ++flags) {
      FrameHeader header = Plain(rules);
      header.flags = static_cast<uint8_t>(flags);
      EXPECT_EQ(IsValid(header), (flags & ~rules.flags) == 0)
          << FrameKindName(rules.kind) << " with flags " << flags;
    }
  }
}

TEST(ValidateFrameHeader, UnusedFieldsAreZero) {
  for (const Rules& rules : kRules) {
    const auto with = [&](const std::function<void(FrameHeader&)>& change) {
      FrameHeader header = Plain(rules);
      change(header);
      return IsValid(header);
    };
    EXPECT_EQ(with([](FrameHeader& h) { h.method = 1; }), rules.method);
    EXPECT_EQ(with([](FrameHeader& h) { h.method = 0xffff; }), rules.method);
    EXPECT_EQ(with([](FrameHeader& h) { h.call = 1; }), rules.call);
    EXPECT_EQ(with([](FrameHeader& h) { h.call = 0xffffffff; }), rules.call);
    EXPECT_EQ(with([](FrameHeader& h) { h.aux = 1; }), rules.aux);
    EXPECT_EQ(with([](FrameHeader& h) { h.aux = ~uint64_t{0}; }), rules.aux);
    const uint8_t message = rules.flags & kMessage;
    EXPECT_EQ(with([&](FrameHeader& h) { h.length = 1, h.rest = 1, h.flags = message; }),
              rules.rest);
  }
}

TEST(ValidateFrameHeader, LengthIsAtMostTheMaximum) {
  for (const Rules& rules : kRules) {
    FrameHeader header = Plain(rules);
    header.flags = rules.flags & kMessage;
    header.length = kMaxPayload;
    EXPECT_EQ(IsValid(header), rules.payload) << FrameKindName(rules.kind);
    header.length = kMaxPayload + 1;
    EXPECT_FALSE(IsValid(header)) << FrameKindName(rules.kind);
    header.length = std::numeric_limits<uint32_t>::max();
    EXPECT_FALSE(IsValid(header)) << FrameKindName(rules.kind);
  }
}

TEST(ValidateFrameHeader, AWholePayloadFitsAnInt32) {
  constexpr uint32_t kLimit = std::numeric_limits<int32_t>::max();
  FrameHeader header = {
      .length = kMaxPayload, .kind = FrameKind::kMessage, .flags = kMessage, .call = 1};
  header.rest = kLimit - kMaxPayload;
  EXPECT_TRUE(IsValid(header));
  ++header.rest;
  EXPECT_FALSE(IsValid(header));
  header.rest = std::numeric_limits<uint32_t>::max();
  EXPECT_FALSE(IsValid(header));
}

TEST(ValidateFrameHeader, APieceBringsSomething) {
  EXPECT_FALSE(IsValid({.length = 0, .kind = FrameKind::kPiece, .call = 1}));
  EXPECT_FALSE(IsValid({.length = 0, .kind = FrameKind::kPiece, .call = 1, .rest = 1}));
  EXPECT_FALSE(
      IsValid({.length = 0, .kind = FrameKind::kMessage, .flags = kMessage, .call = 1, .rest = 1}));
}

TEST(ValidateFrameHeader, BytesThatNoFlagExplainsAreRefused) {
  for (const FrameKind kind : {FrameKind::kRequest, FrameKind::kMessage, FrameKind::kResponse}) {
    EXPECT_FALSE(IsValid({.length = 1, .kind = kind, .flags = 0, .call = 1}));
    EXPECT_TRUE(IsValid({.length = 1, .kind = kind, .flags = kMessage, .call = 1}));
    EXPECT_TRUE(IsValid({.length = 1, .kind = kind, .flags = kSections, .call = 1}));
  }
}

TEST(ValidateFrameHeader, ErrorsNameKindAndField) {
  const absl::Status status =
      ValidateFrameHeader({.kind = FrameKind::kCancel, .method = 7}, kMaxPayload);
  EXPECT_EQ(status, absl::InternalError("CANCEL frame with illegal method 7"));
  EXPECT_EQ(ValidateFrameHeader({.kind = static_cast<FrameKind>(77)}, kMaxPayload),
            absl::InternalError("frame of unknown kind 77"));
}

TEST(FrameKindName, NamesAllKinds) {
  EXPECT_EQ(FrameKindName(FrameKind::kRequest), "REQUEST");
  EXPECT_EQ(FrameKindName(FrameKind::kPiece), "PIECE");
  EXPECT_EQ(FrameKindName(static_cast<FrameKind>(77)), "unknown");
}

}  // namespace
}  // namespace nigh
