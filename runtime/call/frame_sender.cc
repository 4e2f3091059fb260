#include "nigh/frame_sender.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/base/mutex.h"
#include "nigh/message_io.h"
#include "nigh/transport/connection.h"
#include "nigh/wire/bytes.h"
#include "nigh/wire/frame.h"

namespace nigh {
namespace {

// Control frames that may wait: more than all calls can have of them, less than a flood of pings.
constexpr size_t kMaxWaitingControl = 65'536;

// Frames that carry a call's messages keep their order within the call; the others may overtake.
bool IsControl(FrameKind kind) {
  return kind != FrameKind::kRequest && kind != FrameKind::kMessage && kind != FrameKind::kResponse;
}

void WritePayload(absl::string_view sections, const MessageSource* message, std::byte* to) {
  if (!sections.empty()) std::memcpy(to, sections.data(), sections.size());
  if (message != nullptr) message->SerializeTo(to + sections.size());
}

}  // namespace

absl::StatusOr<bool> FrameSender::Send(FrameHeader header, absl::string_view sections,
                                       const MessageSource* message) {
  MutexLock lock(mutex_);
  return SendLocked(header, sections, message);
}

absl::StatusOr<bool> FrameSender::SendText(FrameHeader header, absl::string_view text) {
  const MessageSource source(text);
  MutexLock lock(mutex_);
  return SendLocked(header, "", &source);
}

absl::StatusOr<bool> FrameSender::SendRequest(FrameHeader header, absl::string_view method_name,
                                              absl::string_view sections,
                                              const MessageSource* message) {
  MutexLock lock(mutex_);
  if (header.method >= declared_.size()) declared_.resize(header.method + 1);
  if (!declared_[header.method]) {
    declared_[header.method] = true;
    const MessageSource name(method_name);
    absl::StatusOr<bool> declared =
        SendLocked({.kind = FrameKind::kMethod, .method = header.method}, "", &name);
    if (!declared.ok()) return declared;
  }
  return SendLocked(header, sections, message);
}

absl::StatusOr<bool> FrameSender::SendLocked(FrameHeader header, absl::string_view sections,
                                             const MessageSource* message) {
  if (!error_.ok()) return error_;
  if (!sections.empty()) header.flags |= kSections;
  const size_t size = sections.size() + (message == nullptr ? 0 : message->size());
  if (!AnythingWaits() && size <= connection_.max_payload()) {
    if (std::optional<ByteSpan> claim = connection_.Claim(size)) {
      WritePayload(sections, message, claim->data());
      header.length = static_cast<uint32_t>(size);
      connection_.Commit(header);
      return FlushLocked();
    }
  }
  Waiting waiting{
      .header = header, .payload = std::unique_ptr<std::byte[]>(new std::byte[size]), .size = size};
  WritePayload(sections, message, waiting.payload.get());
  if (IsControl(header.kind)) {
    if (control_.size() >= kMaxWaitingControl) {
      return Break(absl::ResourceExhaustedError(
          absl::StrCat(connection_.peer().address, ": send: ", control_.size(),
                       " answers wait for a peer that sends but does not receive")));
    }
    control_.push_back(std::move(waiting));
  } else {
    std::deque<Waiting>& queue = queues_[header.call];
    if (queue.empty()) turns_.push_back(header.call);
    queue.push_back(std::move(waiting));
  }
  NoteBusy();
  // Taken over, whatever happens from here on: the frame may have left before the connection
  // failed, so its sender must not be told that it was refused.
  const absl::StatusOr<bool> resumed = ResumeLocked();
  return resumed.ok() && *resumed;
}

absl::Status FrameSender::Break(absl::Status error) {
  error_ = std::move(error);
  control_.clear();
  queues_.clear();
  turns_.clear();
  unflushed_ = false;
  NoteBusy();
  return error_;
}

bool FrameSender::CommitPiece(Waiting& waiting) {
  const size_t left = waiting.size - waiting.sent;
  const size_t piece = std::min(left, connection_.max_payload());
  std::optional<ByteSpan> claim = connection_.Claim(piece);
  if (!claim.has_value()) return false;
  std::memcpy(claim->data(), waiting.payload.get() + waiting.sent, piece);
  FrameHeader header = waiting.sent == 0
                           ? waiting.header
                           : FrameHeader{.kind = FrameKind::kPiece, .call = waiting.header.call};
  header.length = static_cast<uint32_t>(piece);
  header.rest = static_cast<uint32_t>(left - piece);
  connection_.Commit(header);
  waiting.sent += piece;
  return true;
}

absl::StatusOr<bool> FrameSender::Resume() {
  MutexLock lock(mutex_);
  if (!error_.ok()) return error_;
  return ResumeLocked();
}

absl::StatusOr<bool> FrameSender::ResumeLocked() {
  // A flush may make room; that room is used at once, for a medium need not announce it again.
  for (bool room = true, committed = true; committed;) {
    committed = false;
    while (!control_.empty() && (room = CommitPiece(control_.front()))) {
      control_.pop_front();
      committed = true;
    }
    // A request that is shorter than its METHOD frame must not slip through ahead of it.
    while (control_.empty() && !turns_.empty() && (room = TakeTurn())) committed = true;
    absl::StatusOr<bool> flushed = FlushLocked();
    if (!flushed.ok() || !*flushed || room) return flushed;
  }
  return false;
}

bool FrameSender::TakeTurn() {
  const uint32_t call = turns_.front();
  const auto queue = queues_.find(call);
  Waiting& waiting = queue->second.front();
  if (!CommitPiece(waiting)) return false;
  if (waiting.sent == waiting.size) queue->second.pop_front();
  turns_.pop_front();
  if (queue->second.empty()) {
    queues_.erase(queue);
  } else {
    turns_.push_back(call);
  }
  return true;
}

absl::StatusOr<bool> FrameSender::FlushLocked() {
  absl::StatusOr<bool> flushed = connection_.Flush();
  if (!flushed.ok()) return Break(flushed.status());
  unflushed_ = !*flushed;
  NoteBusy();
  return flushed;
}

bool FrameSender::Drop(uint32_t call) {
  if (idle()) return false;
  MutexLock lock(mutex_);
  const auto queue = queues_.find(call);
  if (queue == queues_.end()) return false;
  const Waiting& first = queue->second.front();
  const bool untouched = first.header.kind == FrameKind::kRequest && first.sent == 0;
  queues_.erase(queue);
  turns_.erase(absl::c_find(turns_, call));
  NoteBusy();
  return untouched;
}

bool FrameSender::HasLeft(uint32_t call) const {
  if (idle()) return true;
  MutexLock lock(mutex_);
  return !error_.ok() || (!unflushed_ && !queues_.contains(call));
}

bool FrameSender::OwesResponse(uint32_t call) const {
  if (idle()) return false;
  MutexLock lock(mutex_);
  const auto queue = queues_.find(call);
  if (queue == queues_.end()) return false;
  const Waiting& last = queue->second.back();
  return last.header.kind == FrameKind::kResponse && last.sent == 0;
}

bool FrameSender::congested() const {
  if (idle()) return false;
  MutexLock lock(mutex_);
  return AnythingWaits();
}

std::optional<Wake> FrameSender::Arm() {
  if (idle()) return std::nullopt;
  MutexLock lock(mutex_);
  if (!error_.ok() || (!unflushed_ && !AnythingWaits())) return std::nullopt;
  return connection_.Arm(Interest::kSend);
}

}  // namespace nigh
