#include "nigh/transports/shm/ring.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/shm/control_page.h"
#include "nigh/transports/shm/wake_mark.h"

namespace nigh {
namespace {

// The kind of a skip record; FrameKind has no such number.
constexpr auto kSkip = static_cast<FrameKind>(0);
// The peer hears how far this side has read once it is this part of the ring, and before sleep.
constexpr size_t kHeadsPerRing = 8;

constexpr uint64_t RecordSize(size_t payload) {
  return (kFrameHeaderSize + payload + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

static_assert(2 * RecordSize(kMaxRecordPayload) + kMinRing / kHeadsPerRing + kMaxRecord <= kMinRing,
              "a claim could wait for ever for a reader that has read everything");

size_t Offset(uint64_t position, size_t ring) { return position & (ring - 1); }

}  // namespace

void RingSender::LookAtHead(uint64_t head) {
  // Unsigned: a head that went backwards is far ahead of everything.
  if (head - head_ <= published_ - head_ && head % kRecordAlignment == 0) {
    head_ = head;
  } else if (broken_.ok()) {
    broken_ = absl::InternalError(absl::StrCat("the peer says that it has read up to ", head,
                                               ", where it may be between ", head_, " and ",
                                               published_, " in steps of ", kRecordAlignment));
  }
}

std::optional<ByteSpan> RingSender::Claim(size_t payload) {
  assert(payload <= kMaxRecordPayload);
  const uint64_t size = RecordSize(payload);
  const size_t left = data_.size() - Offset(written_, data_.size());
  claim_ = size > left ? written_ + left : written_;
  const uint64_t end = claim_ + size;
  if (end - head_ > data_.size()) {
    // Acquire pairs with the store in MovePast: the peer has read what is now overwritten.
    if (peer_ != nullptr) LookAtHead(peer_->head.load(std::memory_order_acquire));
    if (end - head_ > data_.size() || !broken_.ok()) {
      wanted_ = end - data_.size();
      return std::nullopt;
    }
  }
  return data_.subspan(Offset(claim_, data_.size()) + kFrameHeaderSize, payload);
}

void RingSender::Commit(const FrameHeader& header) {
  if (claim_ != written_) {
    const FrameHeader skip = {.kind = kSkip};
    EncodeFrameHeader(skip, data_.data() + Offset(written_, data_.size()));
  }
  EncodeFrameHeader(header, data_.data() + Offset(claim_, data_.size()));
  written_ = claim_ + RecordSize(header.length);
}

absl::StatusOr<bool> RingSender::Publish() {
  if (!broken_.ok()) return broken_;
  if (written_ == checked_) return false;
  published_ = written_;
  if (peer_ == nullptr) {
    own_.tail.store(published_, std::memory_order_seq_cst);
    return false;
  }
  const bool sleeps = MovePast(own_.tail, peer_->data_mark, checked_, published_);
  checked_ = published_;
  return sleeps;
}

absl::StatusOr<bool> RingSender::ArmRoom() {
  if (!broken_.ok()) return broken_;
  if (peer_ == nullptr) return false;
  LookAtHead(MarkAndLook(own_.room_mark, peer_->head, wanted_ - 1));
  if (!broken_.ok()) return broken_;
  return head_ - wanted_ <= data_.size();
}

absl::Status RingReceiver::LookAtTail() {
  // Acquire pairs with the store in MovePast: the records before the tail are there.
  const uint64_t tail = peer_.tail.load(std::memory_order_acquire);
  if (tail - read_ > data_.size() || tail % kRecordAlignment != 0) {
    return absl::InternalError(
        absl::StrCat("the peer says that it has written up to ", tail, ", where it may be between ",
                     read_, " and ", read_ + data_.size(), " in steps of ", kRecordAlignment));
  }
  tail_ = tail;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Frame>> RingReceiver::Receive() {
  assert(frame_end_ == read_);
  if (!broken_.ok()) return broken_;
  for (;;) {
    if (tail_ == read_) {
      broken_ = LookAtTail();
      if (!broken_.ok()) return broken_;
      if (tail_ == read_) return std::nullopt;
    }
    const size_t offset = Offset(read_, data_.size());
    const std::byte* const at = data_.data() + offset;
    Frame frame;
    frame.header = DecodeFrameHeader(at);
    const bool skips = frame.header.kind == kSkip;
    if (!skips && frame.header.length > kMaxRecordPayload) {
      return broken_ = absl::InternalError(absl::StrCat("frame of ", frame.header.length,
                                                        " bytes, more than the ", kMaxRecordPayload,
                                                        " that a frame may have"));
    }
    const size_t left = data_.size() - offset;
    const uint64_t size = skips ? left : RecordSize(frame.header.length);
    if (size > std::min<uint64_t>(left, tail_ - read_)) {
      return broken_ = absl::InternalError(
                 absl::StrCat("a record of ", size, " bytes, where the peer has written ",
                              tail_ - read_, " and the ring ends after ", left));
    }
    if (skips) {
      // So that a peer that writes as fast as this side reads cannot keep it here.
      if (offset == 0) return broken_ = absl::InternalError("a skip of the whole ring");
      read_ = frame_end_ = read_ + size;
      continue;
    }
    frame.payload = ConstByteSpan(at + kFrameHeaderSize, frame.header.length);
    frame_end_ = read_ + size;
    return frame;
  }
}

bool RingReceiver::Release() {
  read_ = frame_end_;
  return read_ - published_ >= data_.size() / kHeadsPerRing && PublishHead();
}

bool RingReceiver::PublishHead() {
  if (read_ == published_) return false;
  const bool sleeps = MovePast(own_.head, peer_.room_mark, published_, read_);
  published_ = read_;
  return sleeps;
}

RingReceiver::Armed RingReceiver::Arm() {
  Armed armed;
  if (!broken_.ok() || tail_ != read_) {
    armed.found = true;
    return armed;
  }
  armed.ring_room = PublishHead();
  armed.found = MarkAndLook(own_.data_mark, peer_.tail, read_) != read_;
  return armed;
}

}  // namespace nigh
