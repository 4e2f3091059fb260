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
  kDescriptors = 7,    // value: how many travel with the frame, 4 bytes; the first section, if any
};

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

  // Before all others.
  void AddDescriptors(uint32_t count);

  bool empty() const { return block_.empty(); }
  absl::string_view block() const { return block_; }

 private:
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

// How many descriptors travel with a frame, by its first section. That section has the size
// kDescriptorsSection, and is whole in the first piece. 0: none, or a section that is malformed, as
// the reader of the block will find.
uint32_t AnnouncedDescriptors(const FrameHeader& header, ConstByteSpan first_piece);
inline constexpr size_t kDescriptorsSection = kSectionHeader + sizeof(uint32_t);

// Returns how many bytes of a payload are its message: all but the sections. Only `first_piece` of
// the payload need be here. If the section block claims more bytes than there are, 0 are left;
// reading the block then tells what is wrong.
size_t MessageSize(const FrameHeader& header, ConstByteSpan first_piece);

// As MessageSize, to be compared with the longest message before a payload in pieces is kept. What
// a section block claims beyond any legal one, where `max_metadata` bytes are accepted, counts as
// message: otherwise it would be kept whatever its length.
size_t KeptSize(const FrameHeader& header, ConstByteSpan first_piece, size_t max_metadata);

}  // namespace nigh

#endif  // NIGH_RUNTIME_WIRE_SECTIONS_H_
