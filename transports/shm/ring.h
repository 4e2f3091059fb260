#ifndef NIGH_TRANSPORTS_SHM_RING_H_
#define NIGH_TRANSPORTS_SHM_RING_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/shm/bulk_region.h"
#include "nigh/transports/shm/control_page.h"
#include "nigh/transports/shm/wake_mark.h"

namespace nigh {

// A ring of frames in plain memory, which has one writer. Where the memory comes from, who wakes
// whom and how the two meet is not known here; a ring over an array is as good as any.
//
// The data is 2^k bytes. It holds records, each at a multiple of 64 bytes and in one piece: a
// frame's header, its payload, and what is left of the last 64 bytes. Where a record would not fit
// before the end of the data, a skip record, a header with no kind, goes there, and the record goes
// to the beginning. A notice, which says that a long payload is about to come, is a header with no
// kind and a flag.
//
// Each end keeps its own positions to itself and tells the peer of them through its control page.
// What it knows of the peer's it looks up only when the ring seems full or empty. Nothing that the
// peer's page or data says is believed: each word is read once, checked, and used as it was read.

inline constexpr size_t kMinRing = 128 * 1024;
inline constexpr size_t kMaxRing = 64 * 1024 * 1024;
inline constexpr size_t kRecordAlignment = 64;
// The longest record, header and padding included. It is that short so that no claim waits for
// ever. Wherever the last record ended, one of this size and the skip before it fit the smallest
// ring, even while the reader has not yet told of the last eighth that it has read.
inline constexpr size_t kMaxRecord = 32 * 1024;
inline constexpr size_t kMaxRecordPayload = kMaxRecord - kFrameHeaderSize;
// The peer hears how far this side has read once it is this part of the ring, and before sleep.
inline constexpr size_t kHeadsPerRing = 8;

constexpr uint64_t RecordSize(size_t payload) {
  return (kFrameHeaderSize + payload + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

// Where `position` lies in the data of a ring of that size.
constexpr size_t OffsetInRing(uint64_t position, size_t ring) { return position & (ring - 1); }

// One thread at a time.
class RingSender {
 public:
  // `data` and `own` are this side's.
  RingSender(ByteSpan data, ControlPage& own) : data_(data), own_(own) {}

  // Until this is called, the ring can be filled once. From then on the peer's page says how far
  // the peer has read, and whether it sleeps.
  void Attach(const ControlPage& peer) { peer_ = &peer; }

  // As Connection's. Nothing: no room, or the peer's page is broken.
  std::optional<ByteSpan> Claim(size_t payload) {
    assert(payload <= kMaxRecordPayload);
    const uint64_t size = RecordSize(payload);
    const size_t left = data_.size() - Offset(written_);
    claim_ = size > left ? written_ + left : written_;
    const uint64_t end = claim_ + size;
    if (end - head_ > data_.size() && !FindRoom(end)) return std::nullopt;
    return data_.subspan(Offset(claim_) + kFrameHeaderSize, payload);
  }
  void Commit(const FrameHeader& header) { CommitRecord(header, header.length); }
  // The same for a payload that lies in the bulk region. The claim, of kBulkRecordSize, says where;
  // header.length is the payload's.
  void CommitBulk(const FrameHeader& header) {
    assert(header.length > kMaxRecordPayload);
    CommitRecord(header, kBulkRecordSize);
  }

  // Commits a notice that a long payload is about to come. False: no room.
  bool CommitNotice();

  // Lets the peer see what was committed. True: it sleeps, and is to be told that there is data.
  bool Publish() {
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

  // Before sleeping because a claim failed. True: there is room by now. Otherwise the peer will
  // tell.
  bool ArmRoom();
  // The same until the peer has read all that it can see.
  bool ArmEmpty() {
    wanted_ = published_;
    return ArmRoom();
  }
  // Whether it has.
  bool IsEmpty() {
    (void)FindRoom(written_);
    return head_ == published_;
  }

  // Once it is INTERNAL, the sender is of no more use: the peer's head is where it cannot be.
  const absl::Status& broken() const { return broken_; }

 private:
  size_t Offset(uint64_t position) const { return OffsetInRing(position, data_.size()); }
  void CommitRecord(const FrameHeader& header, size_t in_ring) {
    if (claim_ != written_) Skip();
    EncodeFrameHeader(header, data_.data() + Offset(claim_));
    written_ = claim_ + RecordSize(in_ring);
  }
  // Looks up the peer's head.
  void LookAtHead(uint64_t head);
  // Whether the ring has room up to `end`, by what the peer says now.
  bool FindRoom(uint64_t end);
  // Writes the skip record in front of a claim that begins the ring anew.
  void Skip();

  const ByteSpan data_;
  ControlPage& own_;
  const ControlPage* peer_ = nullptr;
  uint64_t written_ = 0;    // committed up to here
  uint64_t published_ = 0;  // the peer may see up to here
  uint64_t checked_ = 0;    // the peer's data mark was looked at for up to here
  uint64_t head_ = 0;       // the peer's, as last seen
  uint64_t claim_ = 0;      // where the claim's record begins
  uint64_t wanted_ = 0;     // where the head must be for the claim that failed
  absl::Status broken_;
};

// One thread at a time.
class RingReceiver {
 public:
  // `data`, `peer` and `bulk` are the peer's, `own` is this side's. Payloads longer than a record's
  // lie in `bulk`; if that is null, there must be none.
  RingReceiver(ConstByteSpan data, const ControlPage& peer, ControlPage& own,
               std::shared_ptr<BulkView> bulk = nullptr)
      : data_(data),
        peer_(peer),
        own_(own),
        bulk_(std::move(bulk)),
        max_payload_(std::max(bulk_ == nullptr ? 0 : bulk_->size(), kMaxRecordPayload)) {}

  // The most bytes in a payload.
  size_t max_payload() const { return max_payload_; }

  // As Connection's.
  Received Receive(absl::Span<Frame> frames);
  // As Connection's. True: the peer sleeps, and is to be told that there is room.
  bool Release(size_t count) {
    released_ += static_cast<uint32_t>(count);
    assert(count > 0 && released_ <= received_);
    if (!bulk_payloads_.empty()) GiveBackBulk();
    read_ = ends_[released_ - 1];
    return read_ - published_ >= data_.size() / kHeadsPerRing && PublishHead();
  }
  // As Connection's.
  std::shared_ptr<const void> KeepBulk(ConstByteSpan bytes);
  // Once it is INTERNAL, nothing more comes: the peer's tail or a record's header is where or what
  // it cannot be.
  const absl::Status& broken() const { return broken_; }

  // Before sleeping because there is nothing.
  struct Armed {
    bool found = false;      // something came meanwhile
    bool ring_room = false;  // the peer is to be told that there is room
  };
  Armed Arm();

 private:
  // The most frames that await Release.
  static constexpr size_t kMaxFrames = 16;

  size_t Offset(uint64_t position) const { return OffsetInRing(position, data_.size()); }
  // Looks up the peer's tail. False: it is where it was, or broken.
  bool LookAtTail() {
    // Acquire pairs with the store in MovePast: the records before the tail are there.
    const uint64_t tail = peer_.tail.load(std::memory_order_acquire);
    if (tail == tail_ || !broken_.ok()) return false;
    if (tail - read_ <= data_.size() && tail % kRecordAlignment == 0) [[likely]] {
      tail_ = tail;
      return true;
    }
    BreakAtTail(tail);
    return false;
  }
  // Says what is wrong with the peer's tail, and with the record at `position`.
  void BreakAtTail(uint64_t tail);
  void BreakAtRecord(const FrameHeader& header, uint64_t position);
  // Finds the payload of frame `number` of those that are received now, of which `payload` is the
  // BulkRecord. False: it cannot be where that says.
  bool FindBulk(const FrameHeader& header, uint32_t number, ConstByteSpan& payload);
  // Of the frames that have been released.
  void GiveBackBulk();
  // Tells the peer how far this side has read. True: it is to be woken.
  bool PublishHead();

  const ConstByteSpan data_;
  const ControlPage& peer_;
  ControlPage& own_;
  const std::shared_ptr<BulkView> bulk_;
  const size_t max_payload_;
  uint64_t read_ = 0;       // released up to here
  uint64_t published_ = 0;  // the peer knows of up to here
  uint64_t tail_ = 0;       // the peer's, as last seen
  // Where the frames that were received last end, and how many of them have been released.
  std::array<uint64_t, kMaxFrames> ends_ = {};
  uint32_t received_ = 0;
  uint32_t released_ = 0;
  // Of these, those whose payloads lie in the bulk region, and are not kept.
  struct BulkPayload {
    uint32_t frame = 0;  // its number
    BulkRecord record;
    ConstByteSpan bytes;
  };
  std::vector<BulkPayload> bulk_payloads_;
  absl::Status broken_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_RING_H_
