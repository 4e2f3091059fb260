#include "nigh/transport/frame.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/bytes.h"

namespace nigh {
namespace {

template <class Field>
constexpr Field kAny = std::numeric_limits<Field>::max();

// The bits that each field of a frame may have, for one kind of frame. A field that a kind does not
// use must be zero, so that a later version can give it a meaning.
struct KindRules {
  absl::string_view name;
  uint8_t flags = 0;
  uint16_t method = 0;
  uint32_t call = 0;
  uint32_t length = 0;
  uint32_t rest = 0;
  uint64_t aux = 0;
  bool message = false;  // the payload holds sections, a message, both, or nothing
};

constexpr KindRules kRules[] = {
    {.name = "no kind"},
    {.name = "HELLO", .length = kAny<uint32_t>},
    {.name = "METHOD", .method = kAny<uint16_t>, .length = kAny<uint32_t>},
    {.name = "REQUEST",
     .flags = kSections | kMessage | kEnd,
     .method = kAny<uint16_t>,
     .call = kAny<uint32_t>,
     .length = kAny<uint32_t>,
     .rest = kAny<uint32_t>,
     .aux = kAny<uint64_t>,
     .message = true},
    {.name = "MESSAGE",
     .flags = kSections | kMessage | kEnd,
     .call = kAny<uint32_t>,
     .length = kAny<uint32_t>,
     .rest = kAny<uint32_t>,
     .message = true},
    {.name = "RESPONSE",
     .flags = kSections | kMessage,
     .call = kAny<uint32_t>,
     .length = kAny<uint32_t>,
     .rest = kAny<uint32_t>,
     .aux = kAny<uint64_t>,
     .message = true},
    {.name = "CANCEL", .call = kAny<uint32_t>},
    {.name = "CREDIT", .call = kAny<uint32_t>, .aux = kAny<uint64_t>},
    {.name = "PING", .flags = kAck, .aux = kAny<uint64_t>},
    {.name = "GO_AWAY", .length = kAny<uint32_t>, .aux = kAny<uint64_t>},
    {.name = "PIECE", .call = kAny<uint32_t>, .length = kAny<uint32_t>, .rest = kAny<uint32_t>},
};

// Protobuf's own bound on a message. A cut payload is kept in one piece, so it is bounded, too.
constexpr uint64_t kMaxWholePayload = std::numeric_limits<int32_t>::max();

// Returns the bits of a header that its kind may not have. Zero: it is legal in that respect.
uint64_t IllegalBits(const FrameHeader& header, const KindRules& rules) {
  return uint64_t{header.flags & ~uint32_t{rules.flags}} |
         uint64_t{header.method & ~uint32_t{rules.method}} | (header.call & ~rules.call) |
         (header.length & ~rules.length) | (header.rest & ~rules.rest) | (header.aux & ~rules.aux);
}

// Whether there is a payload but the flags say that it holds neither sections nor a message.
bool IsUnexplained(const FrameHeader& header, const KindRules& rules) {
  return rules.message && (header.flags & (kSections | kMessage)) == 0 && header.length != 0;
}

// Whether a piece brings nothing. With empty pieces a peer could keep a call half-received for
// ever.
bool IsEmptyPiece(const FrameHeader& header) {
  return header.length == 0 && (header.rest != 0 || header.kind == FrameKind::kPiece);
}

// Says which field is illegal. Out of line: every frame that arrives passes the check, and none
// should pay for the message.
[[gnu::noinline, gnu::cold]] absl::Status WhatIsIllegal(const FrameHeader& header,
                                                        size_t max_payload) {
  const auto kind = static_cast<uint8_t>(header.kind);
  if (kind == 0 || kind >= std::size(kRules)) {
    return absl::InternalError(absl::StrCat("frame of unknown kind ", static_cast<int>(kind)));
  }
  const KindRules& rules = kRules[kind];
  const auto wrong = [&](absl::string_view field, uint64_t value) {
    return absl::InternalError(absl::StrCat(rules.name, " frame with illegal ", field, " ", value));
  };
  if (header.length > std::min<uint64_t>(max_payload, rules.length) || IsEmptyPiece(header)) {
    return wrong("length", header.length);
  }
  if ((header.flags & ~rules.flags) != 0 || IsUnexplained(header, rules)) {
    return wrong("flags", header.flags);
  }
  if ((header.method & ~rules.method) != 0) return wrong("method", header.method);
  if ((header.call & ~rules.call) != 0) return wrong("call", header.call);
  if ((header.aux & ~rules.aux) != 0) return wrong("aux", header.aux);
  return wrong("rest", header.rest);
}

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

// Each field is loaded once: in shared memory the peer may change it after it has been checked.
FrameHeader DecodeFrameHeader(const std::byte* from) {
  FrameHeader header;
  header.length = LoadLittleOnce<uint32_t>(from);
  header.kind = static_cast<FrameKind>(LoadLittleOnce<uint8_t>(from + 4));
  header.flags = LoadLittleOnce<uint8_t>(from + 5);
  header.method = LoadLittleOnce<uint16_t>(from + 6);
  header.call = LoadLittleOnce<uint32_t>(from + 8);
  header.rest = LoadLittleOnce<uint32_t>(from + 12);
  header.aux = LoadLittleOnce<uint64_t>(from + 16);
  return header;
}

bool IsLegalFrameHeader(const FrameHeader& header, size_t max_payload) {
  const auto kind = static_cast<uint8_t>(header.kind);
  if (kind == 0 || kind >= std::size(kRules)) return false;
  const KindRules& rules = kRules[kind];
  return IllegalBits(header, rules) == 0 && header.length <= max_payload &&
         !IsUnexplained(header, rules) && !IsEmptyPiece(header) &&
         uint64_t{header.length} + header.rest <= kMaxWholePayload;
}

absl::Status ValidateFrameHeader(const FrameHeader& header, size_t max_payload) {
  if (IsLegalFrameHeader(header, max_payload)) [[likely]] {
    return absl::OkStatus();
  }
  return WhatIsIllegal(header, max_payload);
}

absl::string_view FrameKindName(FrameKind kind) {
  const auto index = static_cast<uint8_t>(kind);
  return index < std::size(kRules) ? kRules[index].name : "unknown";
}

}  // namespace nigh
