#ifndef NIGH_TRANSPORTS_SHM_BULK_REGION_H_
#define NIGH_TRANSPORTS_SHM_BULK_REGION_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transports/shm/control_page.h"

namespace nigh {

// Memory beside the ring, for payloads that are longer than a record. Each lies in one piece in a
// chunk of the sender's region, and a record in the ring says where (BulkRecord). The receiver
// reads it in place, and gives the chunk back by a store into its own control page, in any order.
// Nobody waits for chunks: where there is none, a payload is cut and goes through the ring.
//
// Like the ring, this is plain memory; an array is as good as any. Where it comes from is memory.h.

// The longest region, in bytes, and of what its size is a multiple.
inline constexpr size_t kMaxBulk = size_t{1} << 30;
inline constexpr size_t kBulkAlignment = size_t{1} << 20;

// What the record of such a payload holds in the place of the payload, in little-endian numbers.
struct BulkRecord {
  uint32_t chunk = 0;
  uint32_t use = 0;  // which use of the chunk this is; its receiver says it when it gives it back
  uint64_t offset = 0;  // bytes into the region
};

inline constexpr size_t kBulkRecordSize = 16;

// So much is given back at a time, which takes less than a millisecond.
inline constexpr size_t kTrimStep = size_t{4} << 20;

void EncodeBulkRecord(const BulkRecord& record, std::byte* to);
// Reads each byte once. Checks nothing.
BulkRecord DecodeBulkRecord(const std::byte* from);

// So many bytes lie in front of memory that is held, for what is to be sent together with it.
inline constexpr size_t kBulkHeadroom = size_t{16} << 10;

// The sender's side. One thread at a time; but any thread may let go of what is held.
class BulkRegion : public std::enable_shared_from_this<BulkRegion> {
 public:
  // `populate` makes pages of the region; false: there are none (memory.h).
  using PopulateFn = bool (*)(ByteSpan);
  // Gives them back (memory.h).
  using DepopulateFn = void (*)(ByteSpan);

  // `bytes` is this side's own memory, in whole pages, and stays as long as `memory` does.
  BulkRegion(ByteSpan bytes, std::shared_ptr<const void> memory, PopulateFn populate,
             DepopulateFn depopulate)
      : bytes_(bytes), memory_(std::move(memory)), populate_(populate), depopulate_(depopulate) {}

  size_t size() const { return bytes_.size(); }

  // Memory for `size` bytes; `peer` says what has been given back. Nothing: there is none now, or
  // the peer's page is broken. Pages that were in use before are given out first: they are there.
  std::optional<ByteSpan> Allocate(size_t size, const ControlPage& peer);
  // The same for whoever may send it several times, until the owner is no more.
  std::optional<HeldBulk> Hold(size_t size, const ControlPage& peer);
  // Memory that was held, from its beginning, and `before` bytes in front of it, as if both had
  // been allocated just now. Nothing: it is no such memory, or has been allocated or handed over,
  // or that is too much.
  std::optional<ByteSpan> Extend(ConstByteSpan held, size_t before, const ControlPage& peer);
  // Gives back memory that was allocated and not handed over.
  void Free(ByteSpan allocated);
  // Gives pages behind the last memory that is in use back, kTrimStep bytes at most.
  Trimmed Trim(const ControlPage& peer);
  // From now on the memory is the peer's, until it gives it back.
  BulkRecord HandOver(ByteSpan allocated);

  // Once it is INTERNAL, the region is of no more use: the peer gives back what it does not have.
  const absl::Status& broken() const { return broken_; }

 private:
  // A chunk is free once it is neither allocated, nor the peer's, nor held.
  struct Chunk {
    size_t offset = 0;
    size_t size = 0;         // bytes, whole pages; 0: it is free
    uint32_t use = 0;        // how often it has been handed over
    bool allocated = false;  // and not been handed over or freed
    bool theirs = false;     // it has been handed over, and has not been given back
    // Written by whoever holds it, once; the last that is done with the memory.
    std::atomic<bool> held = false;
  };
  class Holder;

  // Takes back what the peer has given back, or nobody holds any more.
  void TakeBack(const ControlPage& peer);
  // The chunk that has these bytes, as its place in order_. Nothing: none has.
  std::optional<size_t> Find(ConstByteSpan bytes) const;
  Chunk& At(size_t place) { return chunks_[order_[place]]; }

  const ByteSpan bytes_;
  const std::shared_ptr<const void> memory_;
  const PopulateFn populate_;
  const DepopulateFn depopulate_;
  size_t populated_ = 0;  // so many bytes from the beginning have their pages
  std::array<Chunk, kBulkChunks> chunks_;
  std::vector<uint16_t> order_;  // those in use, by offset
  absl::Status broken_;
};

// The receiver's side. One thread at a time; but any thread may let go of what is kept.
class BulkView : public std::enable_shared_from_this<BulkView> {
 public:
  // `bytes` is the peer's, `own` this side's; both stay as long as `memory` does.
  BulkView(ConstByteSpan bytes, ControlPage& own, std::shared_ptr<const void> memory)
      : bytes_(bytes), own_(own), memory_(std::move(memory)) {}

  size_t size() const { return bytes_.size(); }
  // The payload of `length` bytes of which `record` says where it is. Nothing: it cannot be there.
  std::optional<ConstByteSpan> Find(const BulkRecord& record, size_t length) const;
  // Gives it back. Its bytes must not be read any more.
  void GiveBack(const BulkRecord& record) {
    // Release: the payload has been read when the peer overwrites it.
    own_.returned[record.chunk].store(record.use, std::memory_order_release);
  }
  // Gives it back, `length` bytes, when nobody keeps it any more. Null: with it, more than half as
  // many bytes as the region has would be kept, or half of its chunks are, which only slows down
  // whoever does not let go.
  std::shared_ptr<const void> Keep(const BulkRecord& record, size_t length);

 private:
  class Kept;

  const ConstByteSpan bytes_;
  ControlPage& own_;
  const std::shared_ptr<const void> memory_;
  std::atomic<size_t> kept_bytes_ = 0;
  std::atomic<size_t> kept_ = 0;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_BULK_REGION_H_
