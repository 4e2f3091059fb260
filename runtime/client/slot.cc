#include "nigh/runtime/client/slot.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {

void TakenFrames::Add(const FrameHeader& header, ConstByteSpan payload, FrameExtras* extras) {
  const bool last = header.kind == FrameKind::kResponse;
  // One that says nothing counts only as the first of all.
  if (!last && count_ > 0 && (header.flags & (kSections | kMessage)) == 0) return;
  if (!last && count_ == kMaxMessages) {
    overflowed_ = true;
    return;
  }
  if (count_ == frames_.size()) frames_.emplace_back();
  Taken& taken = frames_[count_++];
  taken.header = header;
  PayloadBuffer* const owned = extras == nullptr ? nullptr : extras->owned;
  taken.extras = extras == nullptr ? FrameExtras() : std::move(*extras);
  if (taken.extras.kept != nullptr) {
    taken.elsewhere = payload;
    return;
  }
  if (owned != nullptr && owned->size() == payload.size()) {
    taken.payload = std::move(*owned);
  } else {
    taken.payload.Assign(payload);
  }
}

void TakenFrames::Clear() {
  for (size_t i = 0; i < count_; ++i) {
    frames_[i].extras = {};
    if (frames_[i].payload.capacity() > kKeptBytes) frames_[i].payload = PayloadBuffer();
  }
  count_ = 0;
  refused_.reset();
  overflowed_ = false;
}

void Slot::Keep(const FrameHeader& header, ConstByteSpan payload, FrameExtras* extras) {
  if (taken == nullptr) taken = std::make_unique<TakenFrames>();
  taken->Add(header, payload, extras);
  if (taken->overflowed()) alert = true;
  const bool last = header.kind == FrameKind::kResponse;
  state.EndTake(last);
  // The slot may be another call's by now, whose owner then wakes for no reason.
  if (last || alert) spot.Unpark();
}

void Slot::Refuse(const PayloadSizes& sizes, bool last) {
  if (taken == nullptr) taken = std::make_unique<TakenFrames>();
  taken->Refuse(sizes);
  alert = true;
  state.EndTake(last);
  spot.Unpark();
}

SlotTable::~SlotTable() {
  for (uint32_t chunk = 0; chunk <= max_calls_ / kChunk; ++chunk) {
    delete[] chunks_[chunk].load(std::memory_order_relaxed);
  }
}

Slot* SlotTable::Claim(uint32_t most) {
  if (first_ != nullptr && first_->state.value() == SlotState::kFree) return first_;
  if (claimable_ == nullptr) claimable_ = free_.exchange(nullptr, std::memory_order_acquire);
  if (Slot* const slot = claimable_) {
    claimable_ = slot->next;
    return slot;
  }
  const uint32_t id = made_.load(std::memory_order_relaxed);
  if (id >= std::min(most, max_calls_)) return nullptr;
  std::atomic<Slot*>& chunk = chunks_[id / kChunk];
  if (id % kChunk == 0) chunk.store(new Slot[kChunk], std::memory_order_release);
  Slot& slot = chunk.load(std::memory_order_relaxed)[id % kChunk];
  slot.id = id;
  made_.store(id + 1, std::memory_order_release);
  if (id == 0) first_ = &slot;
  return &slot;
}

}  // namespace nigh
