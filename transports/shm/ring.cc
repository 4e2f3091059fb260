#include "nigh/transports/shm/ring.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
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

bool RingSender::Publish() {
  if (written_ == checked_ || !broken_.ok()) return false;
  published_ = written_;
  if (peer_ == nullptr) {
    own_.tail.store(published_, std::memory_order_seq_cst);
    return false;
  }
  const bool sleeps = MovePast(own_.tail, peer_->data_mark, checked_, published_);
  checked_ = published_;
  return sleeps;
}

bool RingSender::ArmRoom() {
  if (peer_ == nullptr || !broken_.ok()) return false;
  LookAtHead(MarkAndLook(own_.room_mark, peer_->head, wanted_ - 1));
  return broken_.ok() && head_ - wanted_ <= data_.size();
}

void RingReceiver::LookAtTail() {
  // Acquire pairs with the store in MovePast: the records before the tail are there.
  const uint64_t tail = peer_.tail.load(std::memory_order_acquire);
  if (tail - read_ <= data_.size() && tail % kRecordAlignment == 0) {
    tail_ = tail;
    return;
  }
  broken_ = absl::InternalError(
      absl::StrCat("the peer says that it has written up to ", tail, ", where it may be between ",
                   read_, " and ", read_ + data_.size(), " in steps of ", kRecordAlignment));
}

uint64_t RingReceiver::CheckRecord(uint64_t position, FrameHeader& header) {
  const size_t offset = Offset(position, data_.size());
  header = DecodeFrameHeader(data_.data() + offset);
  const bool skips = header.kind == kSkip;
  if (!skips && header.length > kMaxRecordPayload) {
    broken_ = absl::InternalError(absl::StrCat("frame of ", header.length, " bytes, more than the ",
                                               kMaxRecordPayload, " that a frame may have"));
    return 0;
  }
  const size_t left = data_.size() - offset;
  const uint64_t size = skips ? left : RecordSize(header.length);
  if (size > std::min<uint64_t>(left, tail_ - position)) {
    broken_ = absl::InternalError(
        absl::StrCat("a record of ", size, " bytes, where the peer has written ", tail_ - position,
                     " and the ring ends after ", left));
    return 0;
  }
  // So that a peer that writes as fast as this side reads cannot keep it here.
  if (skips && offset == 0) {
    broken_ = absl::InternalError("a skip of the whole ring");
    return 0;
  }
  return size;
}

uint32_t RingReceiver::Receive(absl::Span<Frame> frames, bool& all) {
  assert(released_ == received_);
  received_ = released_ = 0;
  const auto most = static_cast<uint32_t>(std::min(frames.size(), kMaxFrames));
  uint64_t at = read_;
  // What is left of the last look says nothing of what has come since.
  const bool looks = at == tail_;
  while (received_ < most) {
    // One look finds all that there is; the rest of it is for the next time.
    if (at == tail_ && received_ == 0) LookAtTail();
    if (at == tail_ || !broken_.ok()) break;
    FrameHeader header;
    const uint64_t size = CheckRecord(at, header);
    if (size == 0) break;
    if (header.kind == kSkip) {
      // What was before it is still to be released, and it with that.
      if (received_ != 0) break;
      read_ = at += size;
      continue;
    }
    const std::byte* const payload = data_.data() + Offset(at, data_.size()) + kFrameHeaderSize;
    frames[received_] = {header, ConstByteSpan(payload, header.length)};
    ends_[received_++] = at += size;
  }
  all = looks && at == tail_;
  return received_;
}

bool RingReceiver::Release(size_t count) {
  released_ += static_cast<uint32_t>(count);
  assert(count > 0 && released_ <= received_);
  read_ = ends_[released_ - 1];
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
