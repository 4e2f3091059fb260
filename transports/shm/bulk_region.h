#ifndef NIGH_TRANSPORTS_SHM_BULK_REGION_H_
#define NIGH_TRANSPORTS_SHM_BULK_REGION_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
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

// The sender's side. One thread at a time.
class BulkRegion {
 public:
  // `populate` makes pages of the region; false: there are none (memory.h).
  using PopulateFn = bool (*)(ByteSpan);
  // Gives them back (memory.h).
  using DepopulateFn = void (*)(ByteSpan);

  // `bytes` is this side's own memory, in whole pages.
  BulkRegion(ByteSpan bytes, PopulateFn populate, DepopulateFn depopulate)
      : bytes_(bytes), populate_(populate), depopulate_(depopulate) {}

  // Memory for `size` bytes; `peer` says what has been given back. Nothing: there is none now, or
  // the peer's page is broken. Pages that were in use before are given out first: they are there.
  std::optional<ByteSpan> Allocate(size_t size, const ControlPage& peer);
  // Gives back memory that was allocated and not handed over.
  void Free(ByteSpan allocated);
  // Gives pages behind the last memory that is in use back, kTrimStep bytes at most.
  Trimmed Trim(const ControlPage& peer);
  // From now on the memory is the peer's, until it gives it back.
  BulkRecord HandOver(ByteSpan allocated);

  // Once it is INTERNAL, the region is of no more use: the peer gives back what it does not have.
  const absl::Status& broken() const { return broken_; }

 private:
  struct Chunk {
    size_t offset = 0;
    size_t size = 0;      // bytes, whole pages; 0: it is free
    uint32_t use = 0;     // how often it has been handed over
    bool theirs = false;  // it has, and has not been given back
  };

  // Takes back what the peer has given back.
  void TakeBack(const ControlPage& peer);
  // The chunk that begins there, as its place in order_.
  size_t Find(ByteSpan allocated) const;
  Chunk& At(size_t place) { return chunks_[order_[place]]; }

  const ByteSpan bytes_;
  const PopulateFn populate_;
  const DepopulateFn depopulate_;
  size_t populated_ = 0;  // so many bytes from the beginning have their pages
  std::array<Chunk, kBulkChunks> chunks_;
  std::vector<uint16_t> order_;  // those in use, by offset
  absl::Status broken_;
};

// The receiver's side. One thread at a time.
class BulkView {
 public:
  // `bytes` is the peer's, `own` this side's.
  BulkView(ConstByteSpan bytes, ControlPage& own) : bytes_(bytes), own_(own) {}

  size_t size() const { return bytes_.size(); }
  // The payload of `length` bytes of which `record` says where it is. Nothing: it cannot be there.
  std::optional<ConstByteSpan> Find(const BulkRecord& record, size_t length) const;
  // Gives it back. Its bytes must not be read any more.
  void GiveBack(const BulkRecord& record) {
    // Release: the payload has been read when the peer overwrites it.
    own_.returned[record.chunk].store(record.use, std::memory_order_release);
  }

 private:
  const ConstByteSpan bytes_;
  ControlPage& own_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_BULK_REGION_H_
