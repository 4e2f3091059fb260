#include "nigh/runtime/call/assembler.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/runtime/call/payload_buffer.h"
#include "nigh/transport/frame.h"

namespace nigh {
namespace {

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
  const size_t size = size_t{first.header.length} + first.header.rest;
  PayloadBuffer payload;
  // Not much more than is needed: it may be kept for long.
  if (spare_.capacity() >= size && spare_.capacity() <= size + size / kMostSlack) {
    payload = std::exchange(spare_, PayloadBuffer());
  } else if (spare_.capacity() < size) {
    Trim();
  }
  // A header alone costs no memory: pages are made of what has come.
  if (!payload.Reset(size)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for a payload of ", size, " bytes"));
  }
  payload.Append(first.payload);
  Whole& whole = unfinished_[first.header.call];
  whole.header = first.header;
  whole.extras = std::move(extras);
  whole.payload = std::move(payload);
  whole.announced = whole.payload.capacity();
  announced_ += whole.announced;
  AnnouncePlace(first.header.call, whole.payload.room().first(first.header.rest));
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
  if (piece.payload.data() == whole.payload.room().data()) {
    whole.payload.Extend(piece.payload.size());
  } else {
    whole.payload.Append(piece.payload);
  }
  whole.header.rest = piece.header.rest;
  if (whole.header.rest != 0) {
    AnnouncePlace(piece.header.call, whole.payload.room().first(whole.header.rest));
    return std::nullopt;
  }
  WithdrawPlace();
  whole.header.length = static_cast<uint32_t>(whole.payload.size());
  std::optional<Whole> finished = std::move(whole);
  announced_ -= finished->announced;
  unfinished_.erase(entry);
  return finished;
}

void Assembler::Erase(uint32_t call) {
  const auto entry = unfinished_.find(call);
  if (entry == unfinished_.end()) return;
  WithdrawPlace();
  announced_ -= entry->second.announced;
  unfinished_.erase(entry);
}

bool Assembler::GiveBack(PayloadBuffer& payload) {
  if (payload.capacity() <= spare_.capacity()) return false;
  spare_ = std::move(payload);
  (void)spare_.Reset(0);
  return true;
}

}  // namespace nigh
