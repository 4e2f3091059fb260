#include "nigh/transport/frame.h"

#include <algorithm>
#include <array>
#include <bit>
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
template <>
constexpr auto kAny<FrameKind> = static_cast<FrameKind>(kAny<uint8_t>);

// What a frame of one kind may have.
struct KindRules {
  absl::string_view name;
  // The bits of each field but the kind. A field that a kind does not use must be zero, so that a
  // later version can give it a meaning.
  FrameHeader bits = {};
  bool message = false;  // the payload holds sections, a message, both, or nothing
};

constexpr KindRules kRules[] = {
    {.name = "no kind"},
    // What is no message of a call is short, however long a payload the medium takes.
    {.name = "HELLO", .bits = {.length = kAny<uint16_t>}},
    {.name = "METHOD", .bits = {.length = kAny<uint16_t>, .method = kAny<uint16_t>}},
    {.name = "REQUEST",
     .bits = {.length = kAny<uint32_t>,
              .flags = kSections | kMessage | kEnd | kAttachment,
              .method = kAny<uint16_t>,
              .call = kAny<uint32_t>,
              .rest = kAny<uint32_t>,
              .aux = kAny<uint64_t>},
     .message = true},
    {.name = "MESSAGE",
     .bits = {.length = kAny<uint32_t>,
              .flags = kSections | kMessage | kEnd | kAttachment,
              .call = kAny<uint32_t>,
              .rest = kAny<uint32_t>},
     .message = true},
    {.name = "RESPONSE",
     .bits = {.length = kAny<uint32_t>,
              .flags = kSections | kMessage | kAttachment | kNeverBegun,
              .call = kAny<uint32_t>,
              .rest = kAny<uint32_t>,
              .aux = kAny<uint64_t>},
     .message = true},
    {.name = "CANCEL", .bits = {.call = kAny<uint32_t>}},
    {.name = "CREDIT", .bits = {.call = kAny<uint32_t>, .aux = kAny<uint64_t>}},
    {.name = "PING", .bits = {.flags = kAck, .aux = kAny<uint64_t>}},
    {.name = "GO_AWAY", .bits = {.length = kAny<uint16_t>, .aux = kAny<uint64_t>}},
    {.name = "PIECE",
     .bits = {.length = kAny<uint32_t>, .call = kAny<uint32_t>, .rest = kAny<uint32_t>}},
    {.name = "MEMORY", .bits = {.call = kAny<uint32_t>, .aux = kAny<uint64_t>}},
};

// Protobuf's own bound on a message. A cut payload is kept in one piece, so it is bounded, too.
constexpr uint64_t kMaxWholePayload = std::numeric_limits<int32_t>::max();

// The bits of the words of a header that no header of its kind may have.
constexpr auto kIllegalBits = [] {
  std::array<FrameHeaderWords, std::size(kRules)> illegal = {};
  for (size_t kind = 0; kind < illegal.size(); ++kind) {
    FrameHeader bits = kRules[kind].bits;
    bits.kind = kAny<FrameKind>;
    illegal[kind] = std::bit_cast<FrameHeaderWords>(bits);
    for (uint64_t& word : illegal[kind]) word = ~word;
  }
  return illegal;
}();

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
  const FrameHeader& bits = rules.bits;
  if (header.length > std::min<uint64_t>(max_payload, bits.length) || IsEmptyPiece(header)) {
    return wrong("length", header.length);
  }
  if ((header.flags & ~bits.flags) != 0 || IsUnexplained(header, rules)) {
    return wrong("flags", header.flags);
  }
  if ((header.method & ~bits.method) != 0) return wrong("method", header.method);
  if ((header.call & ~bits.call) != 0) return wrong("call", header.call);
  if ((header.aux & ~bits.aux) != 0) return wrong("aux", header.aux);
  return wrong("rest", header.rest);
}

}  // namespace

bool IsLegalFrameHeader(const FrameHeader& header, size_t max_payload) {
  const auto kind = static_cast<uint8_t>(header.kind);
  if (kind == 0 || kind >= std::size(kRules)) return false;
  const auto words = std::bit_cast<FrameHeaderWords>(header);
  const FrameHeaderWords& illegal = kIllegalBits[kind];
  const uint64_t wrong =
      (words[0] & illegal[0]) | (words[1] & illegal[1]) | (words[2] & illegal[2]);
  return wrong == 0 && header.length <= max_payload && !IsUnexplained(header, kRules[kind]) &&
         !IsEmptyPiece(header) && uint64_t{header.length} + header.rest <= kMaxWholePayload;
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
