#ifndef NIGH_RUNTIME_CALL_CALL_SECTIONS_H_
#define NIGH_RUNTIME_CALL_CALL_SECTIONS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "nigh/metadata.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {

// Metadata and status, to and from the optional sections of a call's frames.

void AddMetadata(const Metadata& metadata, SectionType type, SectionWriter& sections);

// What a RESPONSE says beside its code: the status's text and payloads, the trailing metadata. The
// code must arrive whatever else is said, so at most `limit` bytes of the rest are: a long text is
// cut, and what does not fit then is left out.
void AddStatus(const absl::Status& status, const Metadata& trailing, size_t limit,
               SectionWriter& sections);

// gRPC's codes, which are Abseil's; a number outside 0..16 is UNKNOWN.
absl::StatusCode StatusCodeFromWire(uint64_t code);

// Takes the sections of a REQUEST or MESSAGE off `payload` and adds the metadata in them to
// `metadata`. RESOURCE_EXHAUSTED when that is more than `limit` bytes; INTERNAL when they are
// malformed.
absl::Status TakeMetadata(const FrameHeader& header, size_t limit, ConstByteSpan& payload,
                          Metadata& metadata);

// Takes the sections of a RESPONSE off `payload`. `status` becomes what the server said; what
// exceeds `limit` is dropped. INTERNAL when they are malformed.
absl::Status TakeResponse(const FrameHeader& header, size_t limit, ConstByteSpan& payload,
                          Metadata& initial, Metadata& trailing, absl::Status& status);

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_CALL_SECTIONS_H_
