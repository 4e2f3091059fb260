#ifndef NIGH_TRANSPORT_FRAME_H_
#define NIGH_TRANSPORT_FRAME_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/api.h"
#include "nigh/transport/bytes.h"

namespace nigh {

// The frame: a fixed header and a payload, the same on every medium. proto/PROTOCOL.md is its
// specification; this is its one implementation.
//
//   byte  0       4     5     6       8       12      16              24
//        +-------+-----+-----+-------+-------+-------+---------------+---------
//        |length |kind |flags|method | call  | rest  |      aux      | payload
//        +-------+-----+-----+-------+-------+-------+---------------+---------
//
// All numbers are little-endian.
enum class FrameKind : uint8_t {
  kHello = 1,     // who I am and what I accept; the first frame each way
  kMethod = 2,    // declares `method` to stand for the name in the payload
  kRequest = 3,   // opens a call; aux: nanoseconds left, 0 for no deadline
  kMessage = 4,   // one more message of a call, or metadata or the end of my side without one
  kResponse = 5,  // ends a call; aux: status code
  kCancel = 6,    // the client no longer wants the call
  kCredit = 7,    // aux: so many more bytes of messages may be sent on this call
  kPing = 8,      // aux comes back in a ping with kAck
  kGoAway = 9,   // no new calls on this connection; aux: requests that were taken; the payload: why
  kPiece = 10,   // continues the payload of the last frame of this call that had a `rest`
  kMemory = 11,  // a descriptor of memory comes along, of `aux` bytes; `call`: its number
};

enum FrameFlags : uint8_t {
  kSections = 1,      // the payload begins with a section block (sections.h)
  kMessage = 2,       // the payload, after the sections, is a message; it may be empty
  kEnd = 4,           // the sender will send no more messages on this call
  kAck = 8,           // answers a ping
  kAttachment = 16,   // bytes follow the message; a section says how many
  kNeverBegun = 128,  // of a RESPONSE: no handler has seen the request, or will
};

// Whether frames of `kind` are independent of the order of messages. A medium that can may let such
// frames overtake others.
constexpr bool MayOvertake(FrameKind kind) {
  return kind == FrameKind::kCredit || kind == FrameKind::kPing;
}

struct FrameHeader {
  uint32_t length = 0;  // bytes of payload in this frame
  FrameKind kind = FrameKind::kHello;
  uint8_t flags = 0;
  uint16_t method = 0;
  uint32_t call = 0;
  uint32_t rest = 0;  // bytes of the same payload that follow in kPiece frames of the same call
  uint64_t aux = 0;

  friend bool operator==(const FrameHeader&, const FrameHeader&) = default;
};

inline constexpr size_t kFrameHeaderSize = 24;

// The most descriptors that travel with one frame: what one sendmsg(2) takes (SCM_MAX_FD).
inline constexpr size_t kMostDescriptors = 253;

// A frame as received. `payload` belongs to the connection and is valid until its Release().
struct Frame {
  FrameHeader header;
  ConstByteSpan payload;
};

// The header's three words, as they lie in memory: its fields are laid out as on the wire.
using FrameHeaderWords = std::array<uint64_t, 3>;
static_assert(sizeof(FrameHeaderWords) == kFrameHeaderSize && offsetof(FrameHeader, kind) == 4 &&
              offsetof(FrameHeader, flags) == 5 && offsetof(FrameHeader, method) == 6 &&
              offsetof(FrameHeader, call) == 8 && offsetof(FrameHeader, rest) == 12 &&
              offsetof(FrameHeader, aux) == 16 && sizeof(FrameHeader) == kFrameHeaderSize);

// Writes the header's 24 bytes to `to`. Field by field: whoever sends has just set some, and would
// wait for those to leave the CPU's store buffer before a word that has them could be read.
inline void EncodeFrameHeader(const FrameHeader& header, std::byte* to) {
  StoreLittle(header.length, to);
  StoreLittle(static_cast<uint8_t>(header.kind), to + 4);
  StoreLittle(header.flags, to + 5);
  StoreLittle(header.method, to + 6);
  StoreLittle(header.call, to + 8);
  StoreLittle(header.rest, to + 12);
  StoreLittle(header.aux, to + 16);
}

// Reads the header's 24 bytes from `from`, each byte exactly once: a peer that still owns the
// memory can change nothing between check and use. Checks nothing; ValidateFrameHeader does.
inline FrameHeader DecodeFrameHeader(const std::byte* from) {
  return std::bit_cast<FrameHeader>(FrameHeaderWords{LoadLittleOnce<uint64_t>(from),
                                                     LoadLittleOnce<uint64_t>(from + 8),
                                                     LoadLittleOnce<uint64_t>(from + 16)});
}

// Whether a received header may be acted upon, as ValidateFrameHeader checks it.
NIGH_API bool IsLegalFrameHeader(const FrameHeader& header, size_t max_payload);

// Checks that a received header may be acted upon: its kind is known, only flags and fields that
// the kind uses are set, and its length is at most `max_payload`. INTERNAL: the message says which
// field is wrong.
NIGH_API absl::Status ValidateFrameHeader(const FrameHeader& header, size_t max_payload);

// The kind's name, such as "REQUEST"; "unknown" for a number that is no kind.
NIGH_API absl::string_view FrameKindName(FrameKind kind);

}  // namespace nigh

#endif  // NIGH_TRANSPORT_FRAME_H_
