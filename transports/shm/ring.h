#ifndef NIGH_TRANSPORTS_SHM_RING_H_
#define NIGH_TRANSPORTS_SHM_RING_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/shm/control_page.h"

namespace nigh {

// A ring of frames in plain memory, which has one writer. Where the memory comes from, who wakes
// whom and how the two meet is not known here; a ring over an array is as good as any.
//
// The data is 2^k bytes. It holds records, each at a multiple of 64 bytes and in one piece: a
// frame's header, its payload, and what is left of the last 64 bytes. Where a record would not fit
// before the end of the data, a skip record, a header with no kind, goes there, and the record goes
// to the beginning.
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

// One thread at a time.
class RingSender {
 public:
  // `data` and `own` are this side's.
  RingSender(ByteSpan data, ControlPage& own) : data_(data), own_(own) {}

  // Until this is called, the ring can be filled once. From then on the peer's page says how far
  // the peer has read, and whether it sleeps.
  void Attach(const ControlPage& peer) { peer_ = &peer; }

  // As Connection's. Nothing: no room, or the peer's page is broken.
  std::optional<ByteSpan> Claim(size_t payload);
  void Commit(const FrameHeader& header);

  // Lets the peer see what was committed. True: it sleeps, and is to be told that there is data.
  bool Publish();

  // Before sleeping because a claim failed. True: there is room by now. Otherwise the peer will
  // tell.
  bool ArmRoom();

  // Once it is INTERNAL, the sender is of no more use: the peer's head is where it cannot be.
  const absl::Status& broken() const { return broken_; }

 private:
  // Looks up the peer's head.
  void LookAtHead(uint64_t head);

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
  // `data` and `peer` are the peer's, `own` is this side's.
  RingReceiver(ConstByteSpan data, const ControlPage& peer, ControlPage& own)
      : data_(data), peer_(peer), own_(own) {}

  // As Connection's. Returns how many frames have come; `all`: no more had, by then.
  uint32_t Receive(absl::Span<Frame> frames, bool& all);
  // As Connection's. True: the peer sleeps, and is to be told that there is room.
  bool Release(size_t count);
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

  void LookAtTail();
  // Reads the header at `position`, once, and returns its record's size. 0: that is broken.
  uint64_t CheckRecord(uint64_t position, FrameHeader& header);
  // Tells the peer how far this side has read. True: it is to be woken.
  bool PublishHead();

  const ConstByteSpan data_;
  const ControlPage& peer_;
  ControlPage& own_;
  uint64_t read_ = 0;       // released up to here
  uint64_t published_ = 0;  // the peer knows of up to here
  uint64_t tail_ = 0;       // the peer's, as last seen
  // Where the frames that were received last end, and how many of them have been released.
  std::array<uint64_t, kMaxFrames> ends_ = {};
  uint32_t received_ = 0;
  uint32_t released_ = 0;
  absl::Status broken_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_RING_H_
