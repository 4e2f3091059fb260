#ifndef NIGH_TRANSPORTS_STREAM_STREAM_FRAME_H_
#define NIGH_TRANSPORTS_STREAM_STREAM_FRAME_H_

#include <cstddef>

#include "nigh/transport/frame.h"

namespace nigh {

// The longest frame of a byte stream, and its payload.
inline constexpr size_t kMaxStreamFrame = size_t{64} << 10;
inline constexpr size_t kMaxStreamPayload = kMaxStreamFrame - kFrameHeaderSize;

// Two of the longest frames: one on its way out while the next is filled; one being read while the
// next comes in. Larger buffers leave the second-level cache and gain nothing.
inline constexpr size_t kStreamBuffer = 2 * kMaxStreamFrame;

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_STREAM_STREAM_FRAME_H_
