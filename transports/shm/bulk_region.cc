#include "nigh/transports/shm/bulk_region.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nigh/runtime/base/birth_process.h"
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

// Lets go of a chunk in whatever thread is last. A child of fork(2) has it, too, which is not the
// one that holds it.
class BulkRegion::Holder {
 public:
  Holder(std::shared_ptr<const BulkRegion> region, std::atomic<bool>& held)
      : region_(std::move(region)), held_(held) {}
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  ~Holder() {
    // Release: whoever takes it back sees the memory as it was left.
    if (birth_.is_this()) held_.store(false, std::memory_order_release);
  }

 private:
  const BirthProcess birth_;
  const std::shared_ptr<const BulkRegion> region_;
  std::atomic<bool>& held_;
};

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
  free->allocated = true;
  order_.insert(order_.begin() + static_cast<ptrdiff_t>(place),
                static_cast<uint16_t>(free - chunks_.begin()));
  return bytes_.subspan(begin, size);
}

std::optional<HeldBulk> BulkRegion::Hold(size_t size, const ControlPage& peer) {
  if (size > bytes_.size()) return std::nullopt;  // else the sum might be small
  const std::optional<ByteSpan> bytes = Allocate(kBulkHeadroom + size, peer);
  if (!bytes.has_value()) return std::nullopt;
  Chunk& chunk = At(*Find(*bytes));
  chunk.allocated = false;
  chunk.held.store(true, std::memory_order_relaxed);
  return HeldBulk{.bytes = bytes->subspan(kBulkHeadroom),
                  .owner = std::make_shared<Holder>(shared_from_this(), chunk.held)};
}

std::optional<ByteSpan> BulkRegion::Extend(ConstByteSpan held, size_t before,
                                           const ControlPage& peer) {
  TakeBack(peer);
  const std::optional<size_t> place = Find(held);
  if (!broken_.ok() || !place.has_value() || before > kBulkHeadroom) return std::nullopt;
  Chunk& chunk = At(*place);
  const auto offset = static_cast<size_t>(held.data() - bytes_.data());
  // What is in front of a part from its middle is the program's.
  if (chunk.allocated || chunk.theirs || offset != chunk.offset + kBulkHeadroom ||
      !chunk.held.load(std::memory_order_relaxed)) {
    return std::nullopt;
  }
  chunk.allocated = true;
  return bytes_.subspan(offset - before, before + held.size());
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
    if (chunk.theirs) {
      // Acquire pairs with the store in GiveBack: the peer has read what is now overwritten.
      const uint32_t returned = peer.returned[number].load(std::memory_order_acquire);
      if (returned == chunk.use) {
        chunk.theirs = false;
      } else if (returned != chunk.use - 1 && broken_.ok()) {
        broken_ = absl::InternalError(
            absl::StrCat("the peer gives back use ", returned, " of chunk ", number,
                         " of the bulk region, of which it has use ", chunk.use));
      }
    }
    // Acquire pairs with the store in Holder.
    if (chunk.allocated || chunk.theirs || chunk.held.load(std::memory_order_acquire)) return false;
    chunk.size = 0;
    return true;
  };
  order_.erase(std::remove_if(order_.begin(), order_.end(), is_back), order_.end());
}

std::optional<size_t> BulkRegion::Find(ConstByteSpan bytes) const {
  // By number: what lies elsewhere is no place in the region's array.
  const auto at = reinterpret_cast<uintptr_t>(bytes.data());
  const auto region = reinterpret_cast<uintptr_t>(bytes_.data());
  if (at < region || at - region >= bytes_.size()) return std::nullopt;
  const size_t offset = at - region;
  const auto next =
      std::upper_bound(order_.begin(), order_.end(), offset,
                       [&](size_t of, uint16_t number) { return of < chunks_[number].offset; });
  if (next == order_.begin()) return std::nullopt;
  const Chunk& chunk = chunks_[*std::prev(next)];
  if (offset + bytes.size() > chunk.offset + chunk.size) return std::nullopt;
  return static_cast<size_t>(std::prev(next) - order_.begin());
}

void BulkRegion::Free(ByteSpan allocated) {
  const size_t place = Find(allocated).value();
  Chunk& chunk = At(place);
  assert(chunk.allocated);
  chunk.allocated = false;
  if (chunk.held.load(std::memory_order_acquire)) return;
  chunk.size = 0;
  order_.erase(order_.begin() + static_cast<ptrdiff_t>(place));
}

BulkRecord BulkRegion::HandOver(ByteSpan allocated) {
  const size_t place = Find(allocated).value();
  Chunk& chunk = At(place);
  assert(chunk.allocated);
  chunk.allocated = false;
  chunk.theirs = true;
  return {.chunk = order_[place],
          .use = ++chunk.use,
          .offset = static_cast<uint64_t>(allocated.data() - bytes_.data())};
}

class BulkView::Kept {
 public:
  Kept(std::shared_ptr<BulkView> view, const BulkRecord& record, size_t length)
      : view_(std::move(view)), record_(record), length_(length) {}
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;
  ~Kept() {
    // In a child of fork(2), the parent has it still.
    if (!birth_.is_this()) return;
    view_->GiveBack(record_);
    view_->kept_bytes_.fetch_sub(length_, std::memory_order_relaxed);
    view_->kept_.fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  const BirthProcess birth_;
  const std::shared_ptr<BulkView> view_;
  const BulkRecord record_;
  const size_t length_;
};

std::shared_ptr<const void> BulkView::Keep(const BulkRecord& record, size_t length) {
  // One thread adds at a time. Where nothing is kept, one of any length may be.
  const size_t kept = kept_.load(std::memory_order_relaxed);
  if (kept != 0 && (kept_bytes_.load(std::memory_order_relaxed) + length > bytes_.size() / 2 ||
                    kept >= kBulkChunks / 2)) {
    return nullptr;
  }
  kept_bytes_.fetch_add(length, std::memory_order_relaxed);
  kept_.fetch_add(1, std::memory_order_relaxed);
  return std::make_shared<Kept>(shared_from_this(), record, length);
}

std::optional<ConstByteSpan> BulkView::Find(const BulkRecord& record, size_t length) const {
  if (record.chunk >= kBulkChunks || length > bytes_.size() ||
      record.offset > bytes_.size() - length) {
    return std::nullopt;
  }
  return bytes_.subspan(record.offset, length);
}

}  // namespace nigh
