#ifndef NIGH_RUNTIME_CALL_CALL_SECTIONS_H_
#define NIGH_RUNTIME_CALL_CALL_SECTIONS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "nigh/deadline.h"
#include "nigh/metadata.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {

// Converts metadata and statuses to and from the optional sections of a call's frames.

// What a REQUEST says of a deadline: the nanoseconds that are left, 0 for no deadline.
uint64_t TimeLeft(Deadline deadline);

// Adds each entry of `metadata` as a section of `type`.
void AddMetadata(const Metadata& metadata, SectionType type, SectionWriter& sections);

// Adds what a RESPONSE says beside its code: the status's text and payloads, and the trailing
// metadata. The code must arrive in any case. So the rest is at most `limit` bytes: a long text is
// cut, and entries that do not fit are left out.
void AddStatus(const absl::Status& status, const Metadata& trailing, size_t limit,
               SectionWriter& sections);

// Converts a code of gRPC, which is a code of Abseil. A number outside 0..16 is UNKNOWN.
absl::StatusCode StatusCodeFromWire(uint64_t code);

// A payload in its parts. At first it is all message.
struct PayloadParts {
  ConstByteSpan message;
  ConstByteSpan attachment = {};
  SharedPart shared = {};  // where the attachment is instead; of no bytes: it is not

  PayloadSizes sizes() const {
    return {.message = message.size(), .attachment = attachment.size() + shared.size};
  }
};

// Takes the sections of a REQUEST or MESSAGE, and the attachment, off the message, and adds the
// metadata to `metadata`. Fails with RESOURCE_EXHAUSTED when that is then more than `limit` bytes,
// with INTERNAL when the sections are malformed.
absl::Status TakeMetadata(const FrameHeader& header, size_t limit, PayloadParts& payload,
                          Metadata& metadata);

// Takes the sections of a RESPONSE, and the attachment, off the message. `status` becomes the
// server's status. Metadata, text and details are limited to `limit` bytes each; the rest is
// dropped. Fails with INTERNAL when the sections are malformed.
absl::Status TakeResponse(const FrameHeader& header, size_t limit, PayloadParts& payload,
                          Metadata& initial, Metadata& trailing, absl::Status& status);

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_CALL_SECTIONS_H_
