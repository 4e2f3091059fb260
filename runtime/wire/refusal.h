#ifndef NIGH_RUNTIME_WIRE_REFUSAL_H_
#define NIGH_RUNTIME_WIRE_REFUSAL_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {

// What a server sends in the place of its hello to a client that it does not take: a GO_AWAY whose
// aux is the code. Listeners send it before there is a connection.

inline constexpr size_t kMaxRefusal = kFrameHeaderSize + 256;  // bytes

// The frame's bytes; a text that is too long is cut.
std::string EncodeRefusal(const absl::Status& why);

// What the GO_AWAY in `header` and `payload` says. PERMISSION_DENIED or RESOURCE_EXHAUSTED, if the
// server says so, else UNAVAILABLE.
absl::Status DecodeRefusal(const FrameHeader& header, ConstByteSpan payload);

}  // namespace nigh

#endif  // NIGH_RUNTIME_WIRE_REFUSAL_H_
