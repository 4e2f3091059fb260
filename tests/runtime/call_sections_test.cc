#include "nigh/runtime/call/call_sections.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/metadata.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr size_t kLimit = 8192;

struct Response {
  absl::Status taken;
  absl::Status status;
  Metadata initial;
  Metadata trailing;
  std::string rest;
  std::string attachment;
};

Response Take(uint64_t code, absl::string_view payload, uint8_t flags, size_t limit = kLimit) {
  Response response;
  PayloadParts parts = {.message = AsBytes(payload)};
  const FrameHeader header{.length = static_cast<uint32_t>(payload.size()),
                           .kind = FrameKind::kResponse,
                           .flags = flags,
                           .aux = code};
  response.taken =
      TakeResponse(header, limit, parts, response.initial, response.trailing, response.status);
  response.rest = std::string(AsText(parts.message));
  response.attachment = std::string(AsText(parts.attachment));
  return response;
}

// What arrives of `status` and `trailing` with a message behind them.
Response RoundTrip(const absl::Status& status, const Metadata& trailing = {},
                   size_t limit = kLimit) {
  SectionWriter sections;
  AddStatus(status, trailing, limit, sections);
  const auto flags = static_cast<uint8_t>(kMessage | (sections.empty() ? 0 : kSections));
  return Take(static_cast<uint64_t>(status.raw_code()), absl::StrCat(sections.block(), "message"),
              flags);
}

std::string Block(SectionType type, absl::string_view key, absl::string_view value) {
  SectionWriter sections;
  sections.Add(type, key, value);
  return std::string(sections.block());
}

TEST(CallSections, EveryStatusCodeMakesTheRoundTrip) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status sent(static_cast<absl::StatusCode>(code), absl::StrCat("text ", code));
    const Response response = RoundTrip(sent);
    ASSERT_TRUE(response.taken.ok());
    EXPECT_EQ(response.status, sent);
    EXPECT_EQ(response.rest, "message");
  }
}

TEST(CallSections, OkNeedsNoSections) {
  SectionWriter sections;
  AddStatus(absl::OkStatus(), Metadata(), kLimit, sections);
  EXPECT_TRUE(sections.empty());
  const Response response = RoundTrip(absl::OkStatus());
  EXPECT_TRUE(response.status.ok());
  EXPECT_EQ(response.rest, "message");
}

TEST(CallSections, TextIsDeliveredByteForByte) {
  constexpr char kBytes[] = "\t\n\r\0 \xf0\x9f\x98\x88 \xe2\x82\xac\x7f";
  const std::string text(kBytes, sizeof(kBytes) - 1);
  EXPECT_EQ(RoundTrip(absl::AbortedError(text)).status.message(), text);
}

TEST(CallSections, PayloadsMakeTheRoundTrip) {
  absl::Status sent = absl::NotFoundError("gone");
  sent.SetPayload("type.googleapis.com/a", absl::Cord(std::string("\0\xff", 2)));
  sent.SetPayload("type.googleapis.com/b", absl::Cord(""));
  EXPECT_EQ(RoundTrip(sent).status, sent);
}

TEST(CallSections, TrailersMakeTheRoundTripInOrderWithAnyStatus) {
  Metadata trailing;
  trailing.Add("b", "1");
  trailing.Add("a-bin", std::string("\0\n", 2));
  trailing.Add("b", "2");
  for (const absl::Status& sent : {absl::OkStatus(), absl::InternalError("text")}) {
    const Response response = RoundTrip(sent, trailing);
    EXPECT_EQ(response.status, sent);
    EXPECT_EQ(response.trailing.size(), 3u);
    EXPECT_THAT(response.trailing.GetAll("b"), ElementsAre("1", "2"));
    EXPECT_TRUE(response.initial.empty());
  }
}

TEST(CallSections, CodeThatIsNoneIsUnknown) {
  for (uint64_t code = 0; code <= 16; ++code) {
    EXPECT_EQ(static_cast<uint64_t>(StatusCodeFromWire(code)), code);
  }
  for (const uint64_t code : {uint64_t{17}, uint64_t{1000}, uint64_t{1} << 32, UINT64_MAX}) {
    EXPECT_EQ(StatusCodeFromWire(code), absl::StatusCode::kUnknown);
    EXPECT_EQ(Take(code, "", 0).status.code(), absl::StatusCode::kUnknown);
  }
}

TEST(CallSections, LongTextIsCutBetweenCharactersAndTheCodeStays) {
  // One to four bytes each: wherever the limit falls, what is left is whole characters.
  std::string text;
  std::vector<size_t> boundaries = {0};
  for (int i = 0; i < 20; ++i) {
    for (const absl::string_view character :
         {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}) {
      absl::StrAppend(&text, character);
      boundaries.push_back(text.size());
    }
  }
  for (size_t limit = 2; limit < 2 * text.size() + 4; ++limit) {
    const Response response = RoundTrip(absl::DataLossError(text), Metadata(), limit);
    EXPECT_EQ(response.status.code(), absl::StatusCode::kDataLoss);
    const size_t size = response.status.message().size();
    EXPECT_THAT(boundaries, ::testing::Contains(size)) << "limit " << limit;
    EXPECT_EQ(response.status.message(), absl::string_view(text).substr(0, size));
    EXPECT_LE(size, limit / 2);
    EXPECT_GT(size + 4, std::min(limit / 2, text.size())) << "cut more than it had to";
  }
}

TEST(CallSections, LongTextLeavesRoomForTrailersAndDetails) {
  absl::Status sent = absl::InternalError(std::string(100'000, 'x'));
  sent.SetPayload("url", absl::Cord("detail"));
  Metadata trailing;
  trailing.Add("key", "value");
  const Response response = RoundTrip(sent, trailing);
  EXPECT_EQ(response.status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(response.trailing.Get("key"), absl::string_view("value"));
  EXPECT_EQ(response.status.GetPayload("url"), absl::Cord("detail"));
  EXPECT_EQ(response.status.message().size(), kLimit / 2);
}

TEST(CallSections, WhatDoesNotFitIsLeftOutAndWhatFollowsMayStillFit) {
  absl::Status sent = absl::AbortedError("text");
  sent.SetPayload("large", absl::Cord(std::string(kLimit, 'x')));
  sent.SetPayload("small", absl::Cord("x"));
  Metadata trailing;
  trailing.Add("large", std::string(kLimit, 'x'));
  trailing.Add("small", "x");
  const Response response = RoundTrip(sent, trailing);
  EXPECT_EQ(response.status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(response.status.message(), "text");
  EXPECT_FALSE(response.status.GetPayload("large").has_value());
  EXPECT_TRUE(response.status.GetPayload("small").has_value());
  EXPECT_EQ(response.trailing.size(), 1u);
}

TEST(CallSections, DetailWhoseKeyIsTooLongToWriteIsLeftOut) {
  absl::Status sent = absl::AbortedError("text");
  sent.SetPayload(std::string(kMaxSectionKey + 1, 'u'), absl::Cord("x"));
  EXPECT_EQ(RoundTrip(sent, Metadata(), 1 << 20).status, absl::AbortedError("text"));
}

TEST(CallSections, ReceiverDropsWhatExceedsItsLimitAndKeepsTheCode) {
  absl::Status sent = absl::AbortedError(std::string(100, 't'));
  sent.SetPayload("url", absl::Cord(std::string(100, 'd')));
  Metadata trailing;
  trailing.Add("long", std::string(100, 'v'));
  trailing.Add("k", "v");
  SectionWriter sections;
  AddMetadata(trailing, SectionType::kMetadata, sections);
  AddStatus(sent, trailing, kLimit, sections);
  const Response response = Take(10, sections.block(), kSections, /*limit=*/16);
  ASSERT_TRUE(response.taken.ok());
  EXPECT_EQ(response.status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(response.status.message(), std::string(16, 't'));
  EXPECT_FALSE(response.status.GetPayload("url").has_value());
  EXPECT_EQ(response.initial.size(), 1u);
  EXPECT_EQ(response.trailing.size(), 1u);
}

TEST(CallSections, IllegalMetadataInAResponseIsInternal) {
  for (const SectionType type : {SectionType::kMetadata, SectionType::kTrailer}) {
    EXPECT_EQ(Take(0, Block(type, "Upper", "x"), kSections).taken.code(),
              absl::StatusCode::kInternal);
  }
}

// Sections of a REQUEST or MESSAGE.
absl::Status TakeFromRequest(absl::string_view payload, Metadata& metadata, std::string* rest,
                             size_t limit = kLimit, uint8_t flags = kSections | kMessage) {
  PayloadParts parts = {.message = AsBytes(payload)};
  absl::Status status =
      TakeMetadata({.kind = FrameKind::kRequest, .flags = flags}, limit, parts, metadata);
  if (rest != nullptr) *rest = absl::StrCat(AsText(parts.message), AsText(parts.attachment));
  return status;
}

TEST(CallSections, MetadataMakesTheRoundTrip) {
  Metadata sent;
  sent.Add("b", "1");
  sent.Add("a-bin", std::string("\0\xff", 2));
  sent.Add("b", "");
  SectionWriter sections;
  AddMetadata(sent, SectionType::kMetadata, sections);
  Metadata received;
  std::string rest;
  ASSERT_TRUE(TakeFromRequest(absl::StrCat(sections.block(), "message"), received, &rest).ok());
  EXPECT_EQ(std::vector<Metadata::Entry>(received.begin(), received.end()),
            std::vector<Metadata::Entry>(sent.begin(), sent.end()));
  EXPECT_EQ(rest, "message");
}

TEST(CallSections, PayloadWithoutSectionsIsLeftAlone) {
  Metadata received;
  std::string rest;
  ASSERT_TRUE(TakeFromRequest("message", received, &rest, kLimit, kMessage).ok());
  EXPECT_EQ(rest, "message");
  EXPECT_TRUE(received.empty());
}

TEST(CallSections, MetadataOfExactlyTheLimitIsFineAndOneByteMoreIsExhausted) {
  const std::string block = Block(SectionType::kMetadata, "key", std::string(97, 'v'));
  Metadata fine;
  EXPECT_TRUE(TakeFromRequest(block, fine, nullptr, 100).ok());
  Metadata over;
  const absl::Status status = TakeFromRequest(block, over, nullptr, 99);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("99 bytes (raise Limits::max_metadata"));
}

TEST(CallSections, SectionThatBelongsElsewhereIsInternal) {
  for (const SectionType type :
       {SectionType::kTrailer, SectionType::kStatusMessage, SectionType::kStatusDetail,
        static_cast<SectionType>(0), static_cast<SectionType>(77)}) {
    Metadata metadata;
    const absl::Status status = TakeFromRequest(Block(type, "key", "v"), metadata, nullptr);
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_THAT(
        std::string(status.message()),
        HasSubstr(absl::StrCat("REQUEST frame with a section of type ", static_cast<int>(type))));
  }
  EXPECT_EQ(Take(0, Block(static_cast<SectionType>(77), "key", "v"), kSections).taken.code(),
            absl::StatusCode::kInternal);
}

TEST(CallSections, BlockIsInternalWhereverItIsCut) {
  Metadata sent;
  sent.Add("key", "value");
  sent.Add("another", "value");
  SectionWriter sections;
  AddMetadata(sent, SectionType::kMetadata, sections);
  const absl::string_view block = sections.block();
  for (size_t size = 0; size < block.size(); ++size) {
    Metadata metadata;
    EXPECT_EQ(TakeFromRequest(block.substr(0, size), metadata, nullptr).code(),
              absl::StatusCode::kInternal);
    EXPECT_EQ(Take(0, block.substr(0, size), kSections).taken.code(), absl::StatusCode::kInternal);
  }
}

constexpr uint8_t kAll = kSections | kMessage | kAttachment;

TEST(CallSections, TheAttachmentIsTheEndOfThePayload) {
  for (const bool descriptors : {false, true}) {
    SectionWriter sections;
    if (descriptors) sections.AddDescriptors(3);
    sections.AddAttachment(5);
    sections.Add(SectionType::kMetadata, "key", "value");
    const std::string payload = absl::StrCat(sections.block(), "message", "bytes");
    const Response response = Take(0, payload, kAll);
    EXPECT_EQ(response.taken, absl::OkStatus());
    EXPECT_EQ(response.rest, "message");
    EXPECT_EQ(response.attachment, "bytes");
    EXPECT_EQ(response.initial.Get("key"), "value");
    // As is known when the first piece has come, whatever is in it.
    FrameHeader header = {.length = static_cast<uint32_t>(payload.size()),
                          .kind = FrameKind::kRequest,
                          .flags = kAll};
    for (size_t piece = 40; piece <= payload.size(); ++piece) {
      header.length = static_cast<uint32_t>(piece);
      header.rest = static_cast<uint32_t>(payload.size() - piece);
      const PayloadSizes sizes = SizesOf(header, AsBytes(payload).first(piece));
      EXPECT_EQ(sizes.message, 7U);
      EXPECT_EQ(sizes.attachment, 5U);
      EXPECT_EQ(WhatIsAnnounced(header, AsBytes(payload).first(piece)).descriptors,
                descriptors ? 3U : 0U);
    }
  }
}

TEST(CallSections, WhatIsNotSoOfAnAttachmentIsInternal) {
  const auto refused = [](const std::string& block, uint8_t flags, absl::string_view why) {
    const std::string payload = absl::StrCat(block, "message");
    Metadata metadata;
    const absl::Status of_request = TakeFromRequest(payload, metadata, nullptr, kLimit, flags);
    for (const absl::Status& status : {of_request, Take(0, payload, flags).taken}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
      EXPECT_THAT(std::string(status.message()), HasSubstr(why));
    }
  };
  SectionWriter long_one;
  long_one.AddAttachment(8);
  refused(std::string(long_one.block()), kAll, "an attachment of 8 bytes, where 7 have come");
  SectionWriter some;
  some.AddAttachment(2);
  refused(std::string(some.block()), kSections | kMessage, "a section of type 5");
  refused(Block(SectionType::kMetadata, "key", "v"), kAll, "no section says how long");
  refused("", kMessage | kAttachment, "no section says how long");
  SectionWriter none;
  none.AddAttachment(0);
  refused(std::string(none.block()), kAll, "a section of type 5");
  SectionWriter alone;
  alone.AddAttachment(2);
  refused(std::string(alone.block()), kSections | kAttachment, "an attachment without a message");
  // Not where it has to be, twice, or of another length.
  SectionWriter late;
  late.Add(SectionType::kMetadata, "key", "v");
  late.AddAttachment(2);
  refused(std::string(late.block()), kAll, "a section of type 5");
  SectionWriter twice;
  twice.AddAttachment(2);
  twice.AddAttachment(2);
  refused(std::string(twice.block()), kAll, "a section of type 5");
  refused(Block(SectionType::kAttachment, "", "12345"), kAll, "a section of type 5");
  refused(Block(SectionType::kAttachment, "k", "1234"), kAll, "a section of type 5");
}

TEST(CallSections, EveryLieAboutALengthIsInternalOrHarmless) {
  // Each byte of the block in turn takes every value. The three lengths are among them.
  Metadata sent;
  sent.Add("key", "value");
  SectionWriter sections;
  AddMetadata(sent, SectionType::kMetadata, sections);
  const std::string honest = absl::StrCat(sections.block(), "message");
  for (size_t at = 0; at < sections.block().size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string lying = honest;
      lying[at] = static_cast<char>(value);
      Metadata metadata;
      const absl::Status status = TakeFromRequest(lying, metadata, nullptr);
      if (!status.ok()) {
        EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
      }
      const Response response = Take(0, lying, kSections | kMessage);
      if (!response.taken.ok()) {
        EXPECT_EQ(response.taken.code(), absl::StatusCode::kInternal);
      }
    }
  }
}

}  // namespace
}  // namespace nigh
