#ifndef NIGH_RUNTIME_WIRE_HELLO_H_
#define NIGH_RUNTIME_WIRE_HELLO_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "nigh/transport/bytes.h"

namespace nigh {

inline constexpr uint32_t kHelloMagic = 0x6867696e;  // "nigh"
inline constexpr uint16_t kProtocolVersion = 2;
inline constexpr size_t kHelloSize = 44;

// Bits of Hello::features.
inline constexpr uint32_t kTakesAttachments = 1;  // behind messages
inline constexpr uint32_t kSharesMemory = 2;      // whose descriptors come in MEMORY frames
inline constexpr uint32_t kTakesDescriptors = 4;  // beside frames

// The payload of a HELLO frame: the versions that its sender speaks, and what it accepts. Decoding
// skips fields that a later version appends.
//
//   byte 0       4           6           8         12              20            24          28
//       +-------+-----------+-----------+---------+---------------+-------------+-----------+
//       | magic |min version|max version| window  | max message   |max metadata | max calls |
//       +-------+-----------+-----------+---------+---------------+-------------+-----------+
//       | features | max attachment | max descriptors |                                 28 to 44
//       +----------+----------------+-----------------+
struct Hello {
  uint16_t min_version = kProtocolVersion;
  uint16_t max_version = kProtocolVersion;
  uint32_t window = 0;           // bytes of credit that each of the peer's calls begins with
  uint64_t max_message = 0;      // bytes of the longest message that is accepted
  uint32_t max_metadata = 0;     // bytes of keys and values that are accepted in one frame
  uint32_t max_calls = 0;        // calls in flight that are accepted: call ids are below this
  uint32_t features = 0;         // bits; both ends may use those that both announce
  uint64_t max_attachment = 0;   // bytes of the longest; not 0 with kTakesAttachments, else 0
  uint32_t max_descriptors = 0;  // of one message; 1 to 253 with kTakesDescriptors, else 0

  friend bool operator==(const Hello&, const Hello&) = default;
};

// Writes kHelloSize bytes at `to`.
void EncodeHello(const Hello& hello, std::byte* to);

// Fails with INTERNAL when the payload is no hello, or when a number in it is impossible. Of a
// hello of other versions alone, whatever its length, only these are read: AgreeOnVersion refuses
// it.
absl::StatusOr<Hello> DecodeHello(ConstByteSpan payload);

// Returns the highest version that both speak. Fails with UNAVAILABLE when there is none; the
// message names both ranges.
absl::StatusOr<uint16_t> AgreeOnVersion(const Hello& mine, const Hello& theirs);

}  // namespace nigh

#endif  // NIGH_RUNTIME_WIRE_HELLO_H_
