#include "nigh/runtime/call/call_sections.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/deadline.h"
#include "nigh/metadata.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"

namespace nigh {
namespace {

// More details than any status has. It bounds the work that a peer can ask for.
constexpr size_t kMaxDetails = 64;

// Returns the longest prefix of at most `limit` bytes that does not cut a UTF-8 sequence.
absl::string_view CutText(absl::string_view text, size_t limit) {
  if (text.size() <= limit) return text;
  size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

// The sections at the front of a block that say what comes besides the message (Announced). The
// rest of the block has none of these.
class Preamble {
 public:
  explicit Preamble(const FrameHeader& header)
      : has_message_((header.flags & kMessage) != 0),
        attachment_missing_((header.flags & kAttachment) != 0) {}

  // Whether this section, the next of the block, is one of them.
  bool Takes(const Section& section) {
    if (over_) return false;
    const bool number = section.key.empty() && section.value.size() == sizeof(uint32_t);
    if (number && section.type == SectionType::kDescriptors && !descriptors_) {
      return descriptors_ = true;
    }
    over_ = true;
    if (section.type == SectionType::kShared && section.key.empty() &&
        section.value.size() == kSharedPartSize && !attachment_missing_) {
      shared_ = DecodeSharedPart(AsBytes(section.value).data());
      return shared_.size != 0;
    }
    if (!number || section.type != SectionType::kAttachment || !attachment_missing_) return false;
    attachment_missing_ = false;
    attachment_ = LoadLittleOnce<uint32_t>(AsBytes(section.value).data());
    return attachment_ != 0;
  }

  // Once the block has been read: what follows it is a message and an attachment.
  absl::Status Split(ConstByteSpan rest, PayloadParts& payload) const {
    if (!has_message_ && (attachment_missing_ || attachment_ + shared_.size != 0)) {
      return absl::InternalError("an attachment without a message");
    }
    if (attachment_missing_) {
      return absl::InternalError("no section says how long the attachment is");
    }
    if (attachment_ > rest.size()) {
      return absl::InternalError(absl::StrCat("an attachment of ", attachment_, " bytes, where ",
                                              rest.size(), " have come"));
    }
    payload = {.message = rest.first(rest.size() - attachment_),
               .attachment = rest.last(attachment_),
               .shared = shared_};
    return absl::OkStatus();
  }

 private:
  bool over_ = false;
  bool descriptors_ = false;
  const bool has_message_;
  bool attachment_missing_;
  size_t attachment_ = 0;
  SharedPart shared_;
};

}  // namespace

uint64_t TimeLeft(Deadline deadline) {
  return deadline.is_infinite() ? 0 : std::max<uint64_t>(1, deadline.RemainingNanos());
}

void AddMetadata(const Metadata& metadata, SectionType type, SectionWriter& sections) {
  for (const auto& [key, value] : metadata) sections.Add(type, key, value);
}

void AddStatus(const absl::Status& status, const Metadata& trailing, size_t limit,
               SectionWriter& sections) {
  if (status.ok() && trailing.empty()) return;
  const auto add = [&](SectionType type, absl::string_view key, absl::string_view value) {
    const size_t size = key.size() + value.size();
    if (size > limit || key.size() > kMaxSectionKey) return;
    limit -= size;
    sections.Add(type, key, value);
  };
  // The text comes first, but half of the room is left for the rest.
  if (!status.ok() && !status.message().empty()) {
    add(SectionType::kStatusMessage, "", CutText(status.message(), limit / 2));
  }
  for (const auto& [key, value] : trailing) add(SectionType::kTrailer, key, value);
  status.ForEachPayload([&](absl::string_view type_url, const absl::Cord& payload) {
    add(SectionType::kStatusDetail, type_url, std::string(payload));
  });
}

absl::StatusCode StatusCodeFromWire(uint64_t code) {
  constexpr auto kLast = static_cast<uint64_t>(absl::StatusCode::kUnauthenticated);
  return code <= kLast ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kUnknown;
}

absl::Status TakeMetadata(const FrameHeader& header, size_t limit, PayloadParts& payload,
                          Metadata& metadata) {
  if ((header.flags & kSections) == 0) return Preamble(header).Split(payload.message, payload);
  SectionReader reader(payload.message);
  Preamble preamble(header);
  while (std::optional<Section> section = reader.Next()) {
    if (preamble.Takes(*section)) continue;
    if (section->type != SectionType::kMetadata) {
      return absl::InternalError(absl::StrCat(FrameKindName(header.kind),
                                              " frame with a section of type ",
                                              static_cast<int>(section->type)));
    }
    metadata.Add(section->key, section->value);
    if (metadata.byte_size() > limit) {
      return absl::ResourceExhaustedError(
          absl::StrCat("metadata of more than ", limit,
                       " bytes (raise Limits::max_metadata where it is received)"));
    }
  }
  if (!reader.status().ok()) return reader.status();
  if (absl::Status split = preamble.Split(reader.rest(), payload); !split.ok()) return split;
  return metadata.status();
}

absl::Status TakeResponse(const FrameHeader& header, size_t limit, PayloadParts& payload,
                          Metadata& initial, Metadata& trailing, absl::Status& status) {
  absl::string_view message;
  size_t details_size = 0;
  std::vector<std::pair<absl::string_view, absl::string_view>> details;
  Preamble preamble(header);
  if ((header.flags & kSections) == 0) {
    if (absl::Status split = preamble.Split(payload.message, payload); !split.ok()) return split;
  } else {
    SectionReader reader(payload.message);
    while (std::optional<Section> section = reader.Next()) {
      if (preamble.Takes(*section)) continue;
      const size_t size = section->key.size() + section->value.size();
      switch (section->type) {
        case SectionType::kMetadata:
          if (initial.byte_size() + size <= limit) initial.Add(section->key, section->value);
          break;
        case SectionType::kTrailer:
          if (trailing.byte_size() + size <= limit) trailing.Add(section->key, section->value);
          break;
        case SectionType::kStatusMessage:
          message = CutText(section->value, limit);
          break;
        case SectionType::kStatusDetail:
          if (details.size() >= kMaxDetails || size > limit - details_size) break;
          details_size += size;
          details.emplace_back(section->key, section->value);
          break;
        default:
          return absl::InternalError(absl::StrCat("RESPONSE frame with a section of type ",
                                                  static_cast<int>(section->type)));
      }
    }
    if (!reader.status().ok()) return reader.status();
    if (absl::Status split = preamble.Split(reader.rest(), payload); !split.ok()) return split;
  }
  const absl::StatusCode code = StatusCodeFromWire(header.aux);
  status = code == absl::StatusCode::kOk ? absl::OkStatus() : absl::Status(code, message);
  for (const auto& [type_url, value] : details) status.SetPayload(type_url, absl::Cord(value));
  if (!initial.status().ok()) return initial.status();
  return trailing.status();
}

}  // namespace nigh
