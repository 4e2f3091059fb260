#include "nigh/transports/stream/out_buffer.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/stream/stream_frame.h"

namespace nigh {

// Not zeroed: pages that are never used are never touched.
OutBuffer::OutBuffer() : bytes_(new std::byte[kStreamBuffer]) {}

bool OutBuffer::Compact(size_t size) {
  if (size > kStreamBuffer - (end_ - begin_)) return false;
  for (size_t i = 0; i < attached_.size(); ++i) attached_[i].at -= begin_;
  for (size_t i = 0; i < elsewhere_.size(); ++i) elsewhere_[i].at -= begin_;
  if (begin_ != end_) std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
  end_ -= std::exchange(begin_, 0);
  return true;
}

bool OutBuffer::CommitFrom(const FrameHeader& header, ConstByteSpan payload,
                           std::shared_ptr<const void> owner) {
  if (elsewhere_bytes_ != 0 && elsewhere_bytes_ + payload.size() > kMostElsewhere) return false;
  if (!MakeRoom(kFrameHeaderSize)) return false;
  EncodeFrameHeader(header, bytes_.get() + end_);
  end_ += kFrameHeaderSize;
  if (payload.empty()) return true;
  elsewhere_.push_back({end_, payload, std::move(owner)});
  elsewhere_bytes_ += payload.size();
  return true;
}

void OutBuffer::Attach(std::shared_ptr<const Descriptors> descriptors) {
  attached_.push_back({end_, std::move(descriptors)});
}

const Descriptors* OutBuffer::NextDescriptors() const {
  if (attached_.empty() || attached_.front().at != begin_) return nullptr;
  // The frame before ends with what lies elsewhere.
  if (!elsewhere_.empty() && elsewhere_.front().at == begin_) return nullptr;
  return attached_.front().descriptors.get();
}

OutBuffer::Parts OutBuffer::Next() const {
  const size_t later = NextDescriptors() == nullptr ? 0 : 1;
  const size_t end = attached_.size() > later ? attached_[later].at : end_;
  Parts parts;
  size_t at = begin_;
  for (const Elsewhere& elsewhere : elsewhere_) {
    if (elsewhere.at > end) break;
    // With one more behind the loop.
    if (parts.size() + 2 >= ByteStream::kMostParts) return parts;
    if (elsewhere.at != at) parts.emplace_back(bytes_.get() + at, elsewhere.at - at);
    parts.push_back(elsewhere.bytes);
    at = elsewhere.at;
  }
  if (at != end) parts.emplace_back(bytes_.get() + at, end - at);
  return parts;
}

void OutBuffer::WriteParts(size_t count) {
  if (count != 0 && NextDescriptors() != nullptr) attached_.pop_front();
  while (count != 0) {
    if (!elsewhere_.empty() && elsewhere_.front().at == begin_) {
      Elsewhere& elsewhere = elsewhere_.front();
      const size_t here = std::min(count, elsewhere.bytes.size());
      elsewhere.bytes.remove_prefix(here);
      elsewhere_bytes_ -= here;
      count -= here;
      if (elsewhere.bytes.empty()) elsewhere_.pop_front();
    } else {
      const size_t end = elsewhere_.empty() ? end_ : elsewhere_.front().at;
      const size_t here = std::min(count, end - begin_);
      begin_ += here;
      count -= here;
    }
  }
}

}  // namespace nigh
