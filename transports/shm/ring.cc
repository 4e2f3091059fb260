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
// The flag of a notice, which is of the same kind.
constexpr uint8_t kNotice = 1;
// At most so many are taken in one look. An honest peer has one for each of its threads.
constexpr int kMostNotices = 16;

static_assert(2 * RecordSize(kMaxRecordPayload) + kMinRing / kHeadsPerRing + kMaxRecord <= kMinRing,
              "a claim could wait for ever for a reader that has read everything");

// How much of a payload is in the ring.
size_t InRing(const FrameHeader& header) {
  return header.length <= kMaxRecordPayload ? header.length : kBulkRecordSize;
}

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

bool RingSender::FindRoom(uint64_t end) {
  // Acquire pairs with the store in MovePast: the peer has read what is now overwritten.
  if (peer_ != nullptr) LookAtHead(peer_->head.load(std::memory_order_acquire));
  if (end - head_ <= data_.size() && broken_.ok()) return true;
  wanted_ = end - data_.size();
  return false;
}

void RingSender::Skip() {
  const FrameHeader skip = {.kind = kSkip};
  EncodeFrameHeader(skip, data_.data() + Offset(written_));
}

bool RingSender::CommitNotice() {
  if (!Claim(0).has_value()) return false;
  CommitRecord({.kind = kSkip, .flags = kNotice}, 0);
  return true;
}

bool RingSender::ArmRoom() {
  if (peer_ == nullptr || !broken_.ok()) return false;
  LookAtHead(MarkAndLook(own_.room_mark, peer_->head, wanted_ - 1));
  // The claim that failed may be more than a ring ago, and all since have found room.
  return broken_.ok() && static_cast<int64_t>(head_ - wanted_) >= 0;
}

void RingReceiver::BreakAtTail(uint64_t tail) {
  broken_ = absl::InternalError(
      absl::StrCat("the peer says that it has written up to ", tail, ", where it may be between ",
                   read_, " and ", read_ + data_.size(), " in steps of ", kRecordAlignment));
}

void RingReceiver::BreakAtRecord(const FrameHeader& header, uint64_t position) {
  const size_t left = data_.size() - Offset(position);
  const bool skips = header.kind == kSkip;
  if (!skips && header.length > max_payload_) {
    broken_ = absl::InternalError(absl::StrCat("frame of ", header.length, " bytes, more than the ",
                                               max_payload_, " that a frame may have"));
    return;
  }
  const uint64_t size = skips ? left : RecordSize(InRing(header));
  broken_ = absl::InternalError(
      size <= std::min<uint64_t>(left, tail_ - position)
          ? "a skip of the whole ring"
          : absl::StrCat("a record of ", size, " bytes, where the peer has written ",
                         tail_ - position, " and the ring ends after ", left));
}

Received RingReceiver::Receive(absl::Span<Frame> frames) {
  assert(released_ == received_);
  received_ = released_ = 0;
  const std::byte* const data = data_.data();
  uint64_t at = read_;
  // What is left of the last look says nothing of what has come since.
  const bool looks = at == tail_;
  if (looks ? !LookAtTail() : !broken_.ok()) return {.all = looks, .next = data + Offset(at)};
  // One look finds all that there is; what exceeds `frames` is for the next time.
  const uint64_t tail = tail_;
  const auto most = static_cast<uint32_t>(std::min(frames.size(), kMaxFrames));
  uint32_t count = 0;
  int notices = 0;
  bool soon = false;
  do {
    const size_t offset = Offset(at);
    const FrameHeader header = DecodeFrameHeader(data + offset);
    const uint64_t left = std::min<uint64_t>(data_.size() - offset, tail - at);
    if (header.kind == kSkip) [[unlikely]] {
      if ((header.flags & kNotice) != 0 && bulk_ != nullptr) {
        soon = true;
        at += RecordSize(0);
        // It is released with what was before it.
        (count == 0 ? read_ : ends_[count - 1]) = at;
        if (++notices == kMostNotices) break;
        continue;
      }
      // What was before it is still to be released, and it with that.
      if (count != 0) break;
      // Not of the whole ring, so that a peer that writes as fast as this side reads cannot keep it
      // here.
      const uint64_t size = data_.size() - offset;
      if (offset == 0 || size > left) {
        BreakAtRecord(header, at);
        break;
      }
      read_ = at += size;
      continue;
    }
    const size_t in_ring = InRing(header);
    const uint64_t size = RecordSize(in_ring);
    if (header.length > max_payload_ || size > left) [[unlikely]] {
      BreakAtRecord(header, at);
      break;
    }
    ConstByteSpan payload(data + offset + kFrameHeaderSize, in_ring);
    if (in_ring != header.length && !FindBulk(header, count, payload)) [[unlikely]] {
      break;
    }
    soon = false;
    frames[count] = {header, payload};
    ends_[count++] = at += size;
  } while (at != tail && count < most);
  received_ = count;
  if (count == 0 && !looks && at == tail && broken_.ok()) {
    // Notices were all that the last look had left.
    Received now = Receive(frames);
    now.soon = now.soon || (soon && now.frames == 0);
    return now;
  }
  return {.frames = count, .all = looks && at == tail, .soon = soon, .next = data + Offset(at)};
}

bool RingReceiver::FindBulk(const FrameHeader& header, uint32_t number, ConstByteSpan& payload) {
  const BulkRecord record = DecodeBulkRecord(payload.data());
  // A length beyond that of a record has been refused where there is no bulk region.
  const std::optional<ConstByteSpan> found = bulk_->Find(record, header.length);
  if (!found.has_value()) {
    broken_ = absl::InternalError(absl::StrCat("a payload of ", header.length, " bytes at ",
                                               record.offset, " in chunk ", record.chunk,
                                               " of a bulk region of ", bulk_->size(), " bytes"));
    return false;
  }
  bulk_payloads_.push_back({.frame = number, .record = record, .bytes = *found});
  payload = *found;
  return true;
}

void RingReceiver::GiveBackBulk() {
  const auto left = std::find_if(bulk_payloads_.begin(), bulk_payloads_.end(),
                                 [this](const auto& each) { return each.frame >= released_; });
  std::for_each(bulk_payloads_.begin(), left,
                [this](const auto& each) { bulk_->GiveBack(each.record); });
  bulk_payloads_.erase(bulk_payloads_.begin(), left);
}

std::shared_ptr<const void> RingReceiver::KeepBulk(ConstByteSpan bytes) {
  const auto at = reinterpret_cast<uintptr_t>(bytes.data());
  // Of frames that a peer has put into the same place, the first.
  const auto found =
      std::find_if(bulk_payloads_.begin(), bulk_payloads_.end(), [&](const BulkPayload& each) {
        const auto begin = reinterpret_cast<uintptr_t>(each.bytes.data());
        return at >= begin && at - begin < each.bytes.size();
      });
  if (found == bulk_payloads_.end()) return nullptr;
  std::shared_ptr<const void> kept = bulk_->Keep(found->record, found->bytes.size());
  if (kept != nullptr) bulk_payloads_.erase(found);
  return kept;
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
