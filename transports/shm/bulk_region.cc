#include "nigh/transports/shm/bulk_region.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transports/shm/control_page.h"

namespace nigh {
namespace {

constexpr size_t kPage = 4096;
// Pages are made so many bytes at a time, or more.
constexpr size_t kPopulateStep = size_t{256} << 10;

constexpr size_t RoundUp(size_t size, size_t to) { return (size + to - 1) / to * to; }

}  // namespace

void EncodeBulkRecord(const BulkRecord& record, std::byte* to) {
  StoreLittle(record.chunk, to);
  StoreLittle(record.use, to + 4);
  StoreLittle(record.offset, to + 8);
}

BulkRecord DecodeBulkRecord(const std::byte* from) {
  return {.chunk = LoadLittleOnce<uint32_t>(from),
          .use = LoadLittleOnce<uint32_t>(from + 4),
          .offset = LoadLittleOnce<uint64_t>(from + 8)};
}

std::optional<ByteSpan> BulkRegion::Allocate(size_t size, const ControlPage& peer) {
  assert(size > 0);
  TakeBack(peer);
  if (!broken_.ok() || size > bytes_.size() || order_.size() == kBulkChunks) return std::nullopt;
  const size_t whole = RoundUp(size, kPage);
  // The first gap that is large enough.
  size_t begin = 0;
  size_t place = 0;
  while (place < order_.size() && At(place).offset - begin < whole) {
    begin = At(place).offset + At(place).size;
    ++place;
  }
  const size_t end = begin + whole;
  if (end > bytes_.size()) return std::nullopt;
  if (end > populated_) {
    const size_t to = std::min(RoundUp(end, kPopulateStep), bytes_.size());
    if (!populate_(bytes_.subspan(populated_, to - populated_))) return std::nullopt;
    populated_ = to;
  }
  const auto free = std::find_if(chunks_.begin(), chunks_.end(),
                                 [](const Chunk& chunk) { return chunk.size == 0; });
  free->offset = begin;
  free->size = whole;
  order_.insert(order_.begin() + static_cast<ptrdiff_t>(place),
                static_cast<uint16_t>(free - chunks_.begin()));
  return bytes_.subspan(begin, size);
}

Trimmed BulkRegion::Trim(const ControlPage& peer) {
  TakeBack(peer);
  const size_t used =
      order_.empty() ? 0 : At(order_.size() - 1).offset + At(order_.size() - 1).size;
  if (populated_ > used) {
    const size_t step = std::min(populated_ - used, kTrimStep);
    populated_ -= step;
    depopulate_(bytes_.subspan(populated_, step));
  }
  if (populated_ > used) return Trimmed::kMore;
  return used == 0 ? Trimmed::kAll : Trimmed::kHeld;
}

void BulkRegion::TakeBack(const ControlPage& peer) {
  const auto is_back = [&](uint16_t number) {
    Chunk& chunk = chunks_[number];
    if (!chunk.theirs) return false;
    // Acquire pairs with the store in GiveBack: the peer has read what is now overwritten.
    const uint32_t returned = peer.returned[number].load(std::memory_order_acquire);
    if (returned == chunk.use) {
      chunk.theirs = false;
      chunk.size = 0;
      return true;
    }
    if (returned != chunk.use - 1 && broken_.ok()) {
      broken_ = absl::InternalError(
          absl::StrCat("the peer gives back use ", returned, " of chunk ", number,
                       " of the bulk region, of which it has use ", chunk.use));
    }
    return false;
  };
  order_.erase(std::remove_if(order_.begin(), order_.end(), is_back), order_.end());
}

size_t BulkRegion::Find(ByteSpan allocated) const {
  const auto offset = static_cast<size_t>(allocated.data() - bytes_.data());
  const auto found =
      std::lower_bound(order_.begin(), order_.end(), offset,
                       [&](uint16_t number, size_t at) { return chunks_[number].offset < at; });
  assert(found != order_.end() && chunks_[*found].offset == offset && !chunks_[*found].theirs);
  return static_cast<size_t>(found - order_.begin());
}

void BulkRegion::Free(ByteSpan allocated) {
  const size_t place = Find(allocated);
  At(place).size = 0;
  order_.erase(order_.begin() + static_cast<ptrdiff_t>(place));
}

BulkRecord BulkRegion::HandOver(ByteSpan allocated) {
  const size_t place = Find(allocated);
  Chunk& chunk = At(place);
  chunk.theirs = true;
  return {.chunk = order_[place], .use = ++chunk.use, .offset = chunk.offset};
}

std::optional<ConstByteSpan> BulkView::Find(const BulkRecord& record, size_t length) const {
  if (record.chunk >= kBulkChunks || length > bytes_.size() ||
      record.offset > bytes_.size() - length) {
    return std::nullopt;
  }
  return bytes_.subspan(record.offset, length);
}

}  // namespace nigh
