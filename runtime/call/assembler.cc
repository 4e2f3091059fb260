#include "nigh/runtime/call/assembler.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/transport/frame.h"

namespace nigh {
namespace {

// A peer announces a size before it sends the bytes. No more than this is reserved in advance: a
// header alone must not cost memory.
constexpr size_t kMaxReserve = size_t{64} << 10;
// The memory grows by this factor, up to the announced size. Doubling would copy a long message
// twice as often.
constexpr size_t kGrowth = 4;
// Memory serves a payload if it has no more than this part of it too much.
constexpr size_t kMostSlack = 4;

}  // namespace

absl::Status Assembler::InterruptUnfinished(const FrameHeader& header) {
  const std::optional<FrameKind> unfinished = Unfinished(header.call);
  if (!unfinished.has_value()) return absl::OkStatus();
  if (header.kind != FrameKind::kMessage && *unfinished == FrameKind::kMessage) {
    Abandon(header.call);
    return absl::OkStatus();
  }
  return absl::InternalError(absl::StrCat(FrameKindName(header.kind), " frame of call ",
                                          header.call, " amid the pieces of another"));
}

std::optional<FrameKind> Assembler::Unfinished(uint32_t call) const {
  if (unfinished_.empty()) return std::nullopt;
  const auto entry = unfinished_.find(call);
  return entry == unfinished_.end() ? std::nullopt : std::optional(entry->second.header.kind);
}

absl::Status Assembler::Begin(const Frame& first, FrameExtras extras) {
  if (absl::Status status = Interrupt(first.header); !status.ok()) return status;
  Whole& whole = unfinished_[first.header.call];
  whole.header = first.header;
  whole.extras = std::move(extras);
  const size_t size = size_t{first.header.length} + first.header.rest;
  // Not much more than is needed: it may be kept for long.
  if (spare_.capacity() <= size + size / kMostSlack) {
    whole.payload = std::exchange(spare_, std::string());
  }
  whole.announced = std::max(size, whole.payload.capacity());
  announced_ += whole.announced;
  whole.payload.reserve(std::min(size, kMaxReserve));
  whole.payload.append(AsText(first.payload).data(), first.payload.size());
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Assembler::Whole>> Assembler::Add(const Frame& piece) {
  const auto entry = unfinished_.find(piece.header.call);
  if (entry == unfinished_.end()) return std::nullopt;
  Whole& whole = entry->second;
  if (uint64_t{piece.header.length} + piece.header.rest != whole.header.rest) {
    return absl::InternalError(absl::StrCat(
        "PIECE frame of call ", piece.header.call, ": ", piece.header.length, " bytes and ",
        piece.header.rest, " to come, where ", whole.header.rest, " were missing"));
  }
  const size_t size = whole.payload.size() + piece.payload.size();
  if (size > whole.payload.capacity()) {
    // In proportion to what has really been sent.
    whole.payload.reserve(std::min(size + piece.header.rest, kGrowth * size));
  }
  whole.payload.append(AsText(piece.payload).data(), piece.payload.size());
  whole.header.rest = piece.header.rest;
  if (whole.header.rest != 0) return std::nullopt;
  whole.header.length = static_cast<uint32_t>(whole.payload.size());
  std::optional<Whole> finished = std::move(whole);
  announced_ -= finished->announced;
  unfinished_.erase(entry);
  return finished;
}

void Assembler::Erase(uint32_t call) {
  const auto entry = unfinished_.find(call);
  if (entry == unfinished_.end()) return;
  announced_ -= entry->second.announced;
  unfinished_.erase(entry);
}

bool Assembler::GiveBack(std::string& payload) {
  if (payload.capacity() <= spare_.capacity()) return false;
  spare_ = std::move(payload);
  spare_.clear();
  return true;
}

}  // namespace nigh
