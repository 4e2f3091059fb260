// A payload with sections, read as every frame that may have them; and metadata and statuses
// written again and read back. A byte of which frame, a byte of the limit, eight of the status
// code.

#include "nigh/runtime/wire/sections.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "nigh/metadata.h"
#include "nigh/runtime/call/call_sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "tests/fuzz/input.h"

namespace nigh::testing {
namespace {

bool Equal(const Metadata& a, const Metadata& b) {
  return std::vector<Metadata::Entry>(a.begin(), a.end()) ==
         std::vector<Metadata::Entry>(b.begin(), b.end());
}

void CheckMetadata(const Metadata& metadata, size_t limit) {
  size_t size = 0;
  for (const auto& [key, value] : metadata) {
    Expect(nigh::CheckMetadata(key, value).ok(), "no illegal metadata are taken in");
    Expect(metadata.Get(key).has_value() && !metadata.GetAll(key).empty(), "what is in is found");
    size += key.size() + value.size();
  }
  Expect(metadata.byte_size() == size, "the size is that of the entries");
  Expect(size <= limit, "no more metadata are taken in than the limit");
}

// What a frame says of descriptors and an attachment, by its first sections and no others.
void CheckAnnounced(ConstByteSpan payload) {
  SectionReader reader(payload);
  std::optional<Section> section = reader.Next();
  const auto take = [&](SectionType type) {
    const bool says = section.has_value() && section->type == type && section->key.empty() &&
                      section->value.size() == sizeof(uint32_t);
    const uint32_t number = says ? LoadLittle<uint32_t>(AsBytes(section->value).data()) : 0;
    if (says) section = reader.Next();
    return number;
  };
  const uint32_t descriptors = take(SectionType::kDescriptors);
  const uint32_t attachment = take(SectionType::kAttachment);
  const Announced announced = WhatIsAnnounced({.flags = kSections | kAttachment}, payload);
  Expect(announced.descriptors == descriptors, "a section says how many descriptors there are");
  Expect(announced.attachment == attachment, "a section says how long the attachment is");
  Expect(WhatIsAnnounced({.flags = kSections}, payload).attachment == 0,
         "without the flag, there is none");
}

// What of `payload` is message, and what attachment.
void CheckParts(const FrameHeader& header, ConstByteSpan payload, const PayloadParts& parts) {
  Expect(parts.message.end() == parts.attachment.begin() || parts.attachment.empty(),
         "the attachment follows the message");
  Expect((parts.attachment.empty() ? parts.message : parts.attachment).end() == payload.end(),
         "they are the end of the payload");
  const PayloadSizes sizes = SizesOf(header, payload);
  Expect(sizes.message == parts.message.size() && sizes.attachment == parts.attachment.size(),
         "they are as long as was announced");
}

// The reader against the writer: what is read, written again, reads the same.
void CheckBlock(ConstByteSpan payload) {
  SectionReader reader(payload);
  SectionWriter writer;
  size_t count = 0;
  while (const std::optional<Section> section = reader.Next()) {
    writer.Add(section->type, section->key, section->value);
    ++count;
  }
  Expect(!reader.Next().has_value(), "the end is final");
  if (!reader.status().ok()) return;
  Expect(reader.block_size() + reader.rest().size() == payload.size(),
         "block and rest are the payload");
  CheckAnnounced(payload);
  if (count == 0) return;
  Expect(writer.block().size() == reader.block_size(), "sections fill their block");
  SectionReader again(AsBytes(writer.block()));
  SectionReader first(payload);
  for (; count > 0; --count) {
    const std::optional<Section> a = first.Next();
    const std::optional<Section> b = again.Next();
    Expect(b.has_value() && a->type == b->type && a->key == b->key && a->value == b->value,
           "sections are written as they were read");
  }
  Expect(!again.Next().has_value() && again.status().ok() && again.rest().empty(),
         "and there are no more");
}

void CheckRequest(const FrameHeader& header, size_t limit, ConstByteSpan payload) {
  PayloadParts parts = {.message = payload};
  Metadata metadata;
  if (!TakeMetadata(header, limit, parts, metadata).ok()) return;
  CheckMetadata(metadata, limit);
  CheckParts(header, payload, parts);

  SectionWriter writer;
  AddMetadata(metadata, SectionType::kMetadata, writer);
  if (writer.empty()) return;
  Metadata again;
  PayloadParts block = {.message = AsBytes(writer.block())};
  const FrameHeader plain = {.kind = header.kind, .flags = kSections};
  Expect(TakeMetadata(plain, limit, block, again).ok() && block.message.empty() &&
             Equal(metadata, again),
         "metadata arrive as they were sent");
}

void CheckResponse(const FrameHeader& header, size_t limit, ConstByteSpan payload) {
  Metadata initial;
  Metadata trailing;
  absl::Status status;
  PayloadParts parts = {.message = payload};
  if (!TakeResponse(header, limit, parts, initial, trailing, status).ok()) return;
  CheckParts(header, payload, parts);
  CheckMetadata(initial, limit);
  CheckMetadata(trailing, limit);
  Expect(status.code() == StatusCodeFromWire(header.aux), "the code is the frame's");
  Expect(status.message().size() <= limit, "the text is within the limit");

  SectionWriter writer;
  AddStatus(status, trailing, limit, writer);
  Expect(writer.empty() || SectionReader(AsBytes(writer.block())).status().ok(),
         "a status is written as sections");
  FrameHeader answer{.kind = FrameKind::kResponse,
                     .flags = static_cast<uint8_t>(writer.empty() ? 0 : kSections),
                     .aux = static_cast<uint64_t>(status.raw_code())};
  PayloadParts block = {.message = AsBytes(writer.block())};
  Metadata none;
  Metadata trailing_again;
  absl::Status again;
  Expect(TakeResponse(answer, limit, block, none, trailing_again, again).ok() &&
             block.message.empty() && none.empty(),
         "what was written is a response");
  Expect(again.code() == status.code(), "the code arrives whatever else does");
  Expect(absl::string_view(status.message()).substr(0, again.message().size()) == again.message(),
         "the text arrives, or its beginning");
  size_t size = again.message().size() + trailing_again.byte_size();
  again.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    Expect(status.GetPayload(type) == payload, "details arrive as they were");
    size += type.size() + payload.size();
  });
  Expect(size <= limit, "no more is said than the limit");
}

}  // namespace
}  // namespace nigh::testing

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh;           // NOLINT(google-build-using-namespace)
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  Input input(data, size);
  FrameHeader header{.flags = static_cast<uint8_t>(input.Take() & (kSections | kAttachment))};
  const size_t limit = input.Take();
  header.aux = input.Take<uint64_t>();
  const ConstByteSpan payload = input.TakeBytes(SIZE_MAX);
  header.length = static_cast<uint32_t>(payload.size());

  CheckBlock(payload);
  header.kind = FrameKind::kRequest;
  CheckRequest(header, limit, payload);
  header.kind = FrameKind::kResponse;
  CheckResponse(header, limit, payload);
  return 0;
}
