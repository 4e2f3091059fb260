#include "nigh/transports/inproc/frame_queue.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "absl/types/span.h"
#include "nigh/mutex.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/inproc/doorbell.h"

namespace nigh {
namespace {

constexpr size_t kAlignment = 8;
// In place of a length: the rest of the ring is empty, go on at its beginning.
constexpr uint32_t kSkip = std::numeric_limits<uint32_t>::max();

constexpr size_t FrameSize(size_t payload) {
  return (kFrameHeaderSize + payload + kAlignment - 1) / kAlignment * kAlignment;
}

// Whatever the position, the largest frame fits into an empty ring behind what it has to skip.
static_assert(2 * FrameSize(FrameQueue::kMaxPayload) <= FrameQueue::kCapacity);
static_assert(FrameQueue::kCapacity % kAlignment == 0);

}  // namespace

FrameQueue::FrameQueue(Doorbell reader, Doorbell writer)
    : ring_(new std::byte[kCapacity]), reader_(std::move(reader)), writer_(std::move(writer)) {}

std::optional<ByteSpan> FrameQueue::Claim(size_t payload) {
  assert(payload <= kMaxPayload);
  const size_t size = FrameSize(payload);
  MutexLock lock(mutex_);
  // An empty ring starts over: a connection that carries little touches few pages.
  if (head_ == staged_) head_ = tail_ = staged_ = 0;
  const size_t left = kCapacity - staged_ % kCapacity;
  claim_ = size <= left ? staged_ : staged_ + left;
  wanted_ = claim_ + size;
  if (!HasRoom()) return std::nullopt;
  return ByteSpan(At(claim_) + kFrameHeaderSize, payload);
}

void FrameQueue::Commit(const FrameHeader& header) {
  if (claim_ != staged_) StoreLittle(kSkip, At(staged_));
  EncodeFrameHeader(header, At(claim_));
  staged_ = claim_ + FrameSize(header.length);
}

bool FrameQueue::Flush() {
  MutexLock lock(mutex_);
  if (closed_) return false;
  if (tail_ != staged_) {
    tail_ = staged_;
    flushes_.fetch_add(1, std::memory_order_release);
    reader_.Ring();
  }
  return true;
}

Wake FrameQueue::ArmWriter() {
  MutexLock lock(mutex_);
  if (closed_ || tail_ != staged_ || HasRoom()) return Wake::Ready();
  return writer_.Arm();
}

Received FrameQueue::Receive(absl::Span<Frame> frames) {
  assert(released_ == received_);
  const size_t most = std::min(frames.size(), kMaxFrames);
  MutexLock lock(mutex_);
  received_ = released_ = 0;
  uint64_t at = head_;
  while (at != tail_ && received_ < most) {
    if (LoadLittle<uint32_t>(At(at)) == kSkip) at += kCapacity - at % kCapacity;
    Frame& frame = frames[received_];
    frame.header = DecodeFrameHeader(At(at));
    frame.payload = ConstByteSpan(At(at) + kFrameHeaderSize, frame.header.length);
    ends_[received_++] = at += FrameSize(frame.header.length);
  }
  return {.frames = static_cast<uint32_t>(received_),
          .ended = closed_ && received_ == 0,
          .all = at == tail_};
}

void FrameQueue::Release(size_t count) {
  MutexLock lock(mutex_);
  released_ += count;
  assert(count > 0 && released_ <= received_);
  head_ = ends_[released_ - 1];
  if (HasRoom()) writer_.Ring();
}

Wake FrameQueue::ArmReader() {
  MutexLock lock(mutex_);
  if (closed_ || head_ != tail_) return Wake::Ready();
  return reader_.Arm();
}

void FrameQueue::Close() {
  MutexLock lock(mutex_);
  closed_ = true;
  reader_.Ring();
  writer_.Ring();
}

void FrameQueue::Put(std::unique_ptr<Descriptors> descriptors) {
  MutexLock lock(mutex_);
  descriptors_.push_back(std::move(descriptors));
}

std::unique_ptr<Descriptors> FrameQueue::TakeDescriptors() {
  MutexLock lock(mutex_);
  if (descriptors_.empty()) return nullptr;
  std::unique_ptr<Descriptors> taken = std::move(descriptors_.front());
  descriptors_.pop_front();
  return taken;
}

}  // namespace nigh
