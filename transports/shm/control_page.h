#ifndef NIGH_TRANSPORTS_SHM_CONTROL_PAGE_H_
#define NIGH_TRANSPORTS_SHM_CONTROL_PAGE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "nigh/transports/shm/wake_mark.h"

namespace nigh {

// Two cache lines: processors fetch them in pairs.
inline constexpr size_t kLinePair = 128;

// How many payloads may lie in a bulk region at once (bulk_region.h).
inline constexpr size_t kBulkChunks = 256;

// The first page of each side's memory; the data of the ring that this side sends through follows
// it. Written by its owner alone, read by the peer. Positions count bytes and only grow.
struct ControlPage {
  alignas(kLinePair) std::atomic<uint64_t> tail = 0;  // how far I have written into my ring
  alignas(kLinePair) std::atomic<uint64_t> head = 0;  // how far I have read of yours
  // Where I fell asleep, waiting for your tail, and for your head.
  alignas(kLinePair) std::atomic<uint64_t> data_mark = kNoMark;
  alignas(kLinePair) std::atomic<uint64_t> room_mark = kNoMark;
  // How often I rang a bell that cannot say itself which it was: for data in the lower half, for
  // room in the upper. The lower one's carry wakes once too often, every 65,536 rings.
  alignas(kLinePair) std::atomic<uint32_t> rung = 0;
  // Whether I can read your bulk region; and, of each of its chunks, which use of it I have given
  // back.
  alignas(kLinePair) std::atomic<uint32_t> takes_bulk = 0;
  alignas(kLinePair) std::array<std::atomic<uint32_t>, kBulkChunks> returned = {};
};

// Bytes between the beginning of the memory and the data: a page on every machine of interest.
inline constexpr size_t kControlSize = 4096;

static_assert(sizeof(ControlPage) <= kControlSize);
static_assert(std::atomic<uint64_t>::is_always_lock_free, "a lock would be in one process only");

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_CONTROL_PAGE_H_
