#include "nigh/transports/stream/in_buffer.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/stream/stream_frame.h"

namespace nigh {

// Not zeroed: pages that are never used are never touched.
InBuffer::InBuffer() : bytes_(new std::byte[kStreamBuffer]) {}

Frame InBuffer::TakeInPlace() {
  const FrameHeader header = DecodeFrameHeader(bytes_.get() + begin_);
  const Frame frame = {.header = header, .payload = place_.first(header.length)};
  begin_ += kFrameHeaderSize;
  place_.remove_prefix(header.length);
  in_place_ = false;
  placed_ = 0;
  SettleAhead(std::exchange(ahead_, 0));
  return frame;
}

bool InBuffer::NextBelongsInPlace() const {
  if (place_.empty() || end_ - begin_ < kFrameHeaderSize) return false;
  const FrameHeader header = DecodeFrameHeader(bytes_.get() + begin_);
  return header.kind == FrameKind::kPiece && header.call == call_ &&
         header.length <= std::min(place_.size(), kMaxStreamPayload);
}

InBuffer::Parts InBuffer::Room() {
  Compact();
  const auto tail = [this](size_t size) { return ByteSpan(bytes_.get() + end_, size); };
  if (place_.empty()) return {tail(kStreamBuffer - end_)};
  if (!in_place_ && NextBelongsInPlace()) {
    in_place_ = true;
    placed_ = end_ - kFrameHeaderSize;
    std::memcpy(place_.data(), bytes_.get() + kFrameHeaderSize, placed_);
    end_ = kFrameHeaderSize;
  }
  ByteSpan next = place_;
  size_t header = kFrameHeaderSize;
  Parts parts;
  if (in_place_) {
    const size_t length = *NextLength();
    parts.push_back(place_.subspan(placed_, length - placed_));
    next.remove_prefix(length);
  } else if (end_ < kFrameHeaderSize) {
    header -= end_;
  } else {
    return {tail(kStreamBuffer - end_)};
  }
  parts.push_back(tail(next.empty() ? kMaxStreamFrame : header));
  if (!next.empty()) parts.push_back(next.first(std::min(next.size(), kMaxStreamPayload)));
  return parts;
}

void InBuffer::FillParts(size_t count) {
  if (in_place_) {
    const size_t length = *NextLength();
    const size_t here = std::min(count, length - placed_);
    placed_ += here;
    const size_t most = place_.size() == length ? kMaxStreamFrame : kFrameHeaderSize;
    const size_t buffered = std::min(count - here, most);
    end_ += buffered;
    ahead_ = count - here - buffered;
  } else if (!place_.empty() && end_ < kFrameHeaderSize) {
    const size_t buffered = std::min(count, kFrameHeaderSize - end_);
    end_ += buffered;
    SettleAhead(count - buffered);
  } else {
    end_ += count;
  }
}

void InBuffer::SettleAhead(size_t ahead) {
  if (ahead == 0) return;
  size_t belongs = 0;
  if (NextBelongsInPlace()) {
    in_place_ = true;
    belongs = placed_ = std::min(ahead, *NextLength());
  }
  Append(place_.subspan(belongs, ahead - belongs));
}

void InBuffer::Append(ConstByteSpan bytes) {
  if (bytes.empty()) return;
  assert(bytes.size() <= kStreamBuffer - end_);
  std::memcpy(bytes_.get() + end_, bytes.data(), bytes.size());
  end_ += bytes.size();
}

void InBuffer::Place(uint32_t call, ByteSpan place) {
  // What was taken last went there, and this is what is left.
  if (call == call_ && place.data() == place_.data() && place.size() == place_.size()) return;
  if (in_place_) {
    // No payload that has been taken is in this buffer.
    Compact();
    std::byte* const payload = bytes_.get() + kFrameHeaderSize;
    std::memmove(payload + placed_, payload, end_ - kFrameHeaderSize);
    std::memcpy(payload, place_.data(), placed_);
    end_ += std::exchange(placed_, 0);
    in_place_ = false;
  }
  call_ = call;
  place_ = place;
}

}  // namespace nigh
