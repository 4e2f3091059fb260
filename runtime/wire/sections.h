#ifndef NIGH_RUNTIME_WIRE_SECTIONS_H_
#define NIGH_RUNTIME_WIRE_SECTIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {

// A payload whose frame has kSections starts with a section block: a count of bytes, then entries.
// Each entry has a type, a key and a value.
//
//   +-------+ +------+------+------+-------+-----+-------+
//   | bytes | | type | zero |key n |value n| key | value | ...
//   +-------+ +------+------+------+-------+-----+-------+
//      4         1      1      2       4
enum class SectionType : uint8_t {
  kMetadata = 1,       // key and value; initial metadata, of either side
  kTrailer = 2,        // key and value; trailing metadata, in a RESPONSE
  kStatusMessage = 3,  // value; in a RESPONSE
  kStatusDetail = 4,   // key: type URL, value: bytes; in a RESPONSE
  kAttachment = 5,     // value: how many bytes follow the message, 4 bytes
  kDescriptors = 7,    // value: how many travel with the frame, 4 bytes
  kShared = 8,         // value: where the attachment is in memory of MEMORY frames, SharedPart
};

// A part of memory that one end has shared: an attachment that is not in the payload.
struct SharedPart {
  uint32_t memory = 0;  // its number, as a MEMORY frame has said it
  uint32_t size = 0;    // bytes
  uint64_t offset = 0;  // in that memory
};

inline constexpr size_t kSharedPartSize = 16;

// Reads each of its kSharedPartSize bytes once.
SharedPart DecodeSharedPart(const std::byte* from);

struct Section {
  SectionType type = SectionType::kMetadata;
  absl::string_view key;
  absl::string_view value;
};

inline constexpr size_t kSectionBlockHeader = 4;
inline constexpr size_t kSectionHeader = 8;
inline constexpr size_t kMaxSectionKey = 65'535;

// Builds a section block, with its leading count. The block is empty until the first Add.
class SectionWriter {
 public:
  // `key` is at most kMaxSectionKey bytes.
  void Add(SectionType type, absl::string_view key, absl::string_view value);

  // Before all others, in this order.
  void AddDescriptors(uint32_t count) { AddNumber(SectionType::kDescriptors, count); }
  void AddAttachment(uint32_t size) { AddNumber(SectionType::kAttachment, size); }
  void AddShared(const SharedPart& part);
  // All of another block.
  void Append(absl::string_view block);

  bool empty() const { return block_.empty(); }
  absl::string_view block() const { return block_; }

 private:
  void AddNumber(SectionType type, uint32_t value);

  std::string block_;
};

// Walks a section block without copying. The views that it returns point into `payload`.
class SectionReader {
 public:
  // Reads the block at the front of `payload`. rest() is what follows it.
  explicit SectionReader(ConstByteSpan payload);

  // Returns the next entry, or nothing at the end and after an error.
  std::optional<Section> Next();

  // INTERNAL when the block is malformed. Final once Next() has returned nothing.
  const absl::Status& status() const { return status_; }
  ConstByteSpan rest() const { return rest_; }
  size_t block_size() const { return block_size_; }

 private:
  ConstByteSpan left_;
  ConstByteSpan rest_;
  size_t block_size_ = 0;
  absl::Status status_;
};

// What a frame says of what comes besides its message, by its first sections: one for descriptors,
// if there are any, then one for the attachment, which is in the payload if the frame has the flag
// kAttachment, and else in shared memory. They are whole in the first piece.
struct Announced {
  uint32_t descriptors = 0;
  uint32_t attachment = 0;  // bytes in the payload
  SharedPart shared = {};   // where it is instead; of no bytes: it is not
};

// Only `first_piece` of the payload need be here. What is malformed announces nothing, as the
// reader of the block will find.
Announced WhatIsAnnounced(const FrameHeader& header, ConstByteSpan first_piece);

// The bytes of a payload that are its message, and those that are its attachment, wherever that is:
// all but the sections.
struct PayloadSizes {
  size_t message = 0;
  size_t attachment = 0;
};

// Only `first_piece` of the payload need be here. If the sections claim more bytes than there are,
// the rest counts as message; reading the block then tells what is wrong.
PayloadSizes SizesOf(const FrameHeader& header, ConstByteSpan first_piece);

// As SizesOf, to be compared with what is accepted before a payload in pieces is kept. What
// a section block claims beyond any legal one, where `max_metadata` bytes are accepted, counts as
// message: otherwise it would be kept whatever its length.
PayloadSizes KeptSizes(const FrameHeader& header, ConstByteSpan first_piece, size_t max_metadata);

}  // namespace nigh

#endif  // NIGH_RUNTIME_WIRE_SECTIONS_H_
