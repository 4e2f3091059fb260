#include "nigh/assembler.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/wire/frame.h"

namespace nigh {
namespace {

// A peer announces the size before it sends the bytes; no more than this is believed in advance.
constexpr size_t kMaxReserve = size_t{1} << 20;

}  // namespace

absl::Status Assembler::Begin(const Frame& first) {
  Whole& whole = unfinished_[first.header.call];
  if (!whole.payload.empty()) {
    return absl::InternalError(absl::StrCat(FrameKindName(first.header.kind), " frame of call ",
                                            first.header.call, " amid the pieces of another"));
  }
  whole.header = first.header;
  whole.payload.reserve(std::min(size_t{first.header.length} + first.header.rest, kMaxReserve));
  whole.payload.append(AsText(first.payload).data(), first.payload.size());
  return absl::OkStatus();
}

std::optional<FrameKind> Assembler::Unfinished(uint32_t call) const {
  const auto entry = unfinished_.find(call);
  if (entry == unfinished_.end()) return std::nullopt;
  return entry->second.header.kind;
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
  whole.payload.append(AsText(piece.payload).data(), piece.payload.size());
  whole.header.rest = piece.header.rest;
  if (whole.header.rest != 0) return std::nullopt;
  whole.header.length = static_cast<uint32_t>(whole.payload.size());
  std::optional<Whole> finished = std::move(whole);
  unfinished_.erase(entry);
  return finished;
}

}  // namespace nigh
