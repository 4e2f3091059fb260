#include "nigh/runtime/wire/sections.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/bytes.h"

namespace nigh {

void SectionWriter::Add(SectionType type, absl::string_view key, absl::string_view value) {
  if (block_.empty()) block_.resize(kSectionBlockHeader);
  std::byte header[kSectionHeader] = {};
  StoreLittle(static_cast<uint8_t>(type), header);
  StoreLittle(static_cast<uint16_t>(key.size()), header + 2);
  StoreLittle(static_cast<uint32_t>(value.size()), header + 4);
  absl::StrAppend(&block_, AsText(header), key, value);
  StoreLittle(static_cast<uint32_t>(block_.size() - kSectionBlockHeader),
              reinterpret_cast<std::byte*>(block_.data()));
}

void SectionWriter::AddNumber(SectionType type, uint32_t value) {
  std::byte bytes[sizeof(value)];
  StoreLittle(value, bytes);
  Add(type, "", AsText(bytes));
}

void SectionWriter::AddShared(const SharedPart& part) {
  std::byte bytes[kSharedPartSize];
  StoreLittle(part.memory, bytes);
  StoreLittle(part.size, bytes + 4);
  StoreLittle(part.offset, bytes + 8);
  Add(SectionType::kShared, "", AsText(bytes));
}

void SectionWriter::Append(absl::string_view block) {
  if (block.empty()) return;
  if (block_.empty()) block_.resize(kSectionBlockHeader);
  absl::StrAppend(&block_, block.substr(kSectionBlockHeader));
  StoreLittle(static_cast<uint32_t>(block_.size() - kSectionBlockHeader),
              reinterpret_cast<std::byte*>(block_.data()));
}

SharedPart DecodeSharedPart(const std::byte* from) {
  return {.memory = LoadLittleOnce<uint32_t>(from),
          .size = LoadLittleOnce<uint32_t>(from + 4),
          .offset = LoadLittleOnce<uint64_t>(from + 8)};
}

SectionReader::SectionReader(ConstByteSpan payload) {
  if (payload.size() < kSectionBlockHeader) {
    status_ = absl::InternalError("payload too short for its sections");
    return;
  }
  // Loaded once, for the peer may change it in shared memory between the check and the use.
  const size_t size = LoadLittleOnce<uint32_t>(payload.data());
  payload.remove_prefix(kSectionBlockHeader);
  if (size > payload.size()) {
    status_ = absl::InternalError(
        absl::StrCat("sections of ", size, " bytes in a payload of ", payload.size()));
    return;
  }
  left_ = payload.first(size);
  rest_ = payload.subspan(size);
  block_size_ = kSectionBlockHeader + size;
}

std::optional<Section> SectionReader::Next() {
  if (left_.empty()) return std::nullopt;
  if (left_.size() >= kSectionHeader) {
    const auto type = LoadLittleOnce<uint8_t>(left_.data());
    const size_t key = LoadLittleOnce<uint16_t>(left_.data() + 2);
    const size_t value = LoadLittleOnce<uint32_t>(left_.data() + 4);
    left_.remove_prefix(kSectionHeader);
    // In this form the check cannot overflow.
    if (key <= left_.size() && value <= left_.size() - key) {
      const absl::string_view text = AsText(left_);
      left_.remove_prefix(key + value);
      return Section{static_cast<SectionType>(type), text.substr(0, key), text.substr(key, value)};
    }
  }
  status_ = absl::InternalError("section that ends beyond its block");
  left_ = {};
  return std::nullopt;
}

Announced WhatIsAnnounced(const FrameHeader& header, ConstByteSpan first_piece) {
  Announced announced;
  if ((header.flags & kSections) == 0 || first_piece.size() < kSectionBlockHeader) return announced;
  ConstByteSpan block = first_piece.subspan(kSectionBlockHeader);
  block = block.first(std::min<size_t>(block.size(), LoadLittleOnce<uint32_t>(first_piece.data())));
  // The value of the next section, if it has that type and size.
  const auto take = [&](SectionType type, size_t size) -> const std::byte* {
    const std::byte* const section = block.data();
    if (block.size() < kSectionHeader + size ||
        LoadLittleOnce<uint8_t>(section) != static_cast<uint8_t>(type) ||
        LoadLittleOnce<uint16_t>(section + 2) != 0 ||
        LoadLittleOnce<uint32_t>(section + 4) != size) {
      return nullptr;
    }
    block.remove_prefix(kSectionHeader + size);
    return section + kSectionHeader;
  };
  if (const std::byte* const at = take(SectionType::kDescriptors, sizeof(uint32_t))) {
    announced.descriptors = LoadLittleOnce<uint32_t>(at);
  }
  if ((header.flags & kAttachment) != 0) {
    if (const std::byte* const at = take(SectionType::kAttachment, sizeof(uint32_t))) {
      announced.attachment = LoadLittleOnce<uint32_t>(at);
    }
  } else if (const std::byte* const at = take(SectionType::kShared, kSharedPartSize)) {
    announced.shared = DecodeSharedPart(at);
  }
  return announced;
}

PayloadSizes SizesOf(const FrameHeader& header, ConstByteSpan first_piece) {
  const size_t size = size_t{header.length} + header.rest;
  if ((header.flags & kSections) == 0 || first_piece.size() < kSectionBlockHeader) {
    return {.message = size};
  }
  // Only the count is read: the block itself may go on in later pieces.
  const size_t sections = kSectionBlockHeader + LoadLittleOnce<uint32_t>(first_piece.data());
  const size_t left = size - std::min(size, sections);
  const Announced announced = WhatIsAnnounced(header, first_piece);
  if (announced.shared.size != 0) return {.message = left, .attachment = announced.shared.size};
  if (announced.attachment > left) return {.message = left};
  return {.message = left - announced.attachment, .attachment = announced.attachment};
}

PayloadSizes KeptSizes(const FrameHeader& header, ConstByteSpan first_piece, size_t max_metadata) {
  // Entries may be as short as a key of one byte, and a status has metadata, text and details.
  const size_t longest = kSectionBlockHeader + 4 * (kSectionHeader + 1) * (max_metadata + 1);
  PayloadSizes sizes = SizesOf(header, first_piece);
  const size_t in_payload = (header.flags & kAttachment) != 0 ? sizes.attachment : 0;
  const size_t sections = size_t{header.length} + header.rest - sizes.message - in_payload;
  if (sections > longest) sizes.message += sections - longest;
  return sizes;
}

}  // namespace nigh
