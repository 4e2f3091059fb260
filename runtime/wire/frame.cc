#include "nigh/wire/frame.h"

#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/wire/bytes.h"

namespace nigh {
namespace {

// What each kind may carry. A field that a kind does not use must be zero, so that a later version
// can give it a meaning.
struct KindRules {
  absl::string_view name;
  uint8_t flags = 0;
  bool method = false;
  bool call = false;
  bool payload = false;
  bool rest = false;
  bool aux = false;
};

constexpr KindRules kRules[] = {
    {.name = "no kind"},
    {.name = "HELLO", .payload = true},
    {.name = "METHOD", .method = true, .payload = true},
    {.name = "REQUEST",
     .flags = kSections | kMessage | kEnd,
     .method = true,
     .call = true,
     .payload = true,
     .rest = true,
     .aux = true},
    {.name = "MESSAGE",
     .flags = kSections | kMessage | kEnd,
     .call = true,
     .payload = true,
     .rest = true},
    {.name = "RESPONSE",
     .flags = kSections | kMessage,
     .call = true,
     .payload = true,
     .rest = true,
     .aux = true},
    {.name = "CANCEL", .call = true},
    {.name = "CREDIT", .call = true, .aux = true},
    {.name = "PING", .flags = kAck, .aux = true},
    {.name = "GO_AWAY", .payload = true},
    {.name = "PIECE", .call = true, .payload = true, .rest = true},
};

// protobuf's own bound on a message, and room for sections.
constexpr uint64_t kMaxWholePayload = std::numeric_limits<int32_t>::max();

}  // namespace

void EncodeFrameHeader(const FrameHeader& header, std::byte* to) {
  StoreLittle(header.length, to);
  StoreLittle(static_cast<uint8_t>(header.kind), to + 4);
  StoreLittle(header.flags, to + 5);
  StoreLittle(header.method, to + 6);
  StoreLittle(header.call, to + 8);
  StoreLittle(header.rest, to + 12);
  StoreLittle(header.aux, to + 16);
}

FrameHeader DecodeFrameHeader(const std::byte* from) {
  FrameHeader header;
  header.length = LoadLittle<uint32_t>(from);
  header.kind = static_cast<FrameKind>(LoadLittle<uint8_t>(from + 4));
  header.flags = LoadLittle<uint8_t>(from + 5);
  header.method = LoadLittle<uint16_t>(from + 6);
  header.call = LoadLittle<uint32_t>(from + 8);
  header.rest = LoadLittle<uint32_t>(from + 12);
  header.aux = LoadLittle<uint64_t>(from + 16);
  return header;
}

absl::Status ValidateFrameHeader(const FrameHeader& header, size_t max_payload) {
  const auto kind = static_cast<uint8_t>(header.kind);
  if (kind == 0 || kind >= std::size(kRules)) {
    return absl::InternalError(absl::StrCat("frame of unknown kind ", static_cast<int>(kind)));
  }
  const KindRules& rules = kRules[kind];
  const auto wrong = [&](absl::string_view field, uint64_t value) {
    return absl::InternalError(absl::StrCat(rules.name, " frame with illegal ", field, " ", value));
  };
  if (header.length > max_payload || (!rules.payload && header.length != 0)) {
    return wrong("length", header.length);
  }
  if ((header.flags & ~rules.flags) != 0) return wrong("flags", header.flags);
  if (!rules.method && header.method != 0) return wrong("method", header.method);
  if (!rules.call && header.call != 0) return wrong("call", header.call);
  if (!rules.aux && header.aux != 0) return wrong("aux", header.aux);
  if (header.rest != 0 &&
      (!rules.rest || uint64_t{header.length} + header.rest > kMaxWholePayload)) {
    return wrong("rest", header.rest);
  }
  // A piece that brings nothing would let a peer keep a call half-received for ever, one frame at a
  // time.
  if ((header.rest != 0 || header.kind == FrameKind::kPiece) && header.length == 0) {
    return wrong("length", 0);
  }
  if (header.kind == FrameKind::kRequest || header.kind == FrameKind::kMessage ||
      header.kind == FrameKind::kResponse) {
    if ((header.flags & (kSections | kMessage)) == 0 && header.length != 0) {
      return wrong("flags", header.flags);
    }
  }
  return absl::OkStatus();
}

absl::string_view FrameKindName(FrameKind kind) {
  const auto index = static_cast<uint8_t>(kind);
  return index < std::size(kRules) ? kRules[index].name : "unknown";
}

}  // namespace nigh
