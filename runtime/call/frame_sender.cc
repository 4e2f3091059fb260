#include "nigh/runtime/call/frame_sender.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/piece_stream.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"

namespace nigh {
namespace {

// At most this many control frames wait: more than all calls together have, fewer than a flood of
// pings would leave.
constexpr size_t kMaxWaitingControl = 65'536;

// Frames that carry a call's messages keep their order within the call. The others may overtake
// them.
bool IsControl(FrameKind kind) {
  return kind != FrameKind::kRequest && kind != FrameKind::kMessage && kind != FrameKind::kResponse;
}

bool IsRequest(const FrameHeader& header) { return header.kind == FrameKind::kRequest; }

}  // namespace

Sent FrameSender::Send(FrameHeader&& header, absl::string_view sections,
                       const MessageSource* message) {
  // A handler that has forked must not answer twice.
  if (!birth_.is_this()) return Sent::kFailed;
  MutexLock lock(mutex_);
  return SendLocked(std::move(header), sections, message);
}

Sent FrameSender::SendWith(const Extras& extras, FrameHeader&& header, absl::string_view sections,
                           const MessageSource* message) {
  if (!birth_.is_this()) return Sent::kFailed;
  MutexLock lock(mutex_);
  return SendWithLocked(extras, std::move(header), sections, message);
}

Sent FrameSender::SendText(FrameHeader&& header, absl::string_view text) {
  const MessageSource source(text);
  if (!birth_.is_this()) return Sent::kFailed;
  MutexLock lock(mutex_);
  return SendLocked(std::move(header), "", &source);
}

Sent FrameSender::SendRequestLocked(FrameHeader&& header, const char* method_name,
                                    absl::string_view sections, const MessageSource* message,
                                    const Extras* extras) {
  if (header.method >= declared_.size()) declared_.resize(header.method + 1);
  if (!declared_[header.method]) {
    declared_[header.method] = true;
    const MessageSource name((absl::string_view(method_name)));
    if (SendLocked({.kind = FrameKind::kMethod, .method = header.method}, "", &name) ==
        Sent::kFailed) {
      return Sent::kFailed;
    }
  }
  if (extras != nullptr) return SendWithLocked(*extras, std::move(header), sections, message);
  return SendLocked(std::move(header), sections, message);
}

Sent FrameSender::SendLocked(FrameHeader&& header, absl::string_view sections,
                             const MessageSource* message) {
  if (broken_) return Sent::kFailed;
  if (!sections.empty()) header.flags |= kSections;
  const size_t size = sections.size() + (message == nullptr ? 0 : message->size());
  const bool alone = idle() || (!AnythingWaits() && cutting_ == 0);
  const bool fits = size <= max_payload_;
  if (fits && (alone || MayOvertake(header))) {
    if (std::optional<ByteSpan> claim = connection_.Claim(size)) {
      WritePayload(sections, message, claim->data());
      header.length = static_cast<uint32_t>(size);
      connection_.Commit(header);
      // Others that have been sent before may not have left.
      if (IsRequest(header) && requests_kept_ != requests_begun_) BeginRequest(requests_kept_++);
      return alone ? FlushLocked() : FlushBeside();
    }
  }
  // From here on the frame counts as taken, whatever happens. Part of it may have left before the
  // connection ended, so its sender must not be told that it was refused.
  bool others_waited = AnythingWaits();
  const std::optional<ByteSpan> bulk = fits ? std::nullopt : connection_.AllocateBulk(size);
  if (fits) {
    Waiting waiting = Wait(header, size);
    WritePayload(sections, message, waiting.bytes());
    if (!Keep(std::move(waiting))) return Sent::kFailed;
  } else if (!bulk.has_value() && sections.empty() && message != nullptr &&
             message->view().message != nullptr &&
             (alone || (MayOvertake(header) && turns_.empty()))) {
    // Frames may have overtaken long messages long ago.
    if (overtaken_ && IsQuiet()) overtaken_ = false;
    std::optional<Waiting> rest = SendPieces(header, *message);
    if (broken_) return Sent::kSome;
    others_waited = AnythingWaits();
    if (rest.has_value()) (void)Keep(*std::move(rest));
  } else {
    Waiting whole = Serialise(header, sections, message, Attachment(), size, bulk);
    others_waited = AnythingWaits();
    if (broken_ || !Keep(std::move(whole))) return Sent::kSome;
  }
  // Whoever waits for room must hear that there is some: who polls may have found the lock taken.
  return ResumeLocked() == Sent::kAll && !others_waited ? Sent::kAll : Sent::kSome;
}

bool FrameSender::MayOvertake(const FrameHeader& header) const {
  // One that waits among control frames may declare this one's method.
  if (!control_.empty()) return false;
  return IsControl(header.kind) || (short_turns_.empty() && !queues_.contains(header.call));
}

Sent FrameSender::FlushBeside() {
  if (overtaken_ || !turns_.empty() || cutting_ != 0) NoteOvertaking();
  const bool waited = AnythingWaits();
  frames_since_piece_ = std::min(frames_since_piece_ + 1, kFramesAPiece);
  const bool with_piece = frames_since_piece_ == kFramesAPiece && !turns_.empty() && TakeTurn();
  const Sent flushed = FlushLocked();
  // The frame may have left before the piece failed.
  if (flushed == Sent::kFailed && with_piece) return Sent::kSome;
  // Whoever waits for room must hear that there is some. And a short message behind the last piece
  // is not held back any more: nobody looks after it yet.
  const bool changed = (waited && !AnythingWaits()) || (with_piece && !short_turns_.empty());
  return flushed == Sent::kAll && changed ? Sent::kSome : flushed;
}

bool FrameSender::IsQuiet() {
  const int64_t now = SteadyNanos();
  const uint32_t overtakes = overtakes_.load(std::memory_order_relaxed);
  if (overtakes != overtakes_seen_.load(std::memory_order_relaxed)) {
    overtakes_seen_.store(overtakes, std::memory_order_relaxed);
    quiet_since_.store(now, std::memory_order_relaxed);
  }
  return now - quiet_since_.load(std::memory_order_relaxed) >= kQuietNanos;
}

bool FrameSender::Keep(Waiting waiting) {
  if (IsControl(waiting.header.kind)) {
    if (control_.size() >= kMaxWaitingControl) {
      Break(absl::ResourceExhaustedError(
          absl::StrCat(connection_.peer().address, ": send: ", control_.size(),
                       " answers wait for a peer that sends but does not receive")));
      return false;
    }
    Count(waiting);
    control_.push_back(std::move(waiting));
  } else {
    const uint32_t call = waiting.header.call;
    std::deque<Waiting>& queue = queues_[call];
    if (queue.empty()) AwaitTurn(call, waiting);
    Count(waiting);
    queue.push_back(std::move(waiting));
  }
  NoteBusy();
  return true;
}

FrameSender::Waiting FrameSender::Wait(const FrameHeader& header, size_t size,
                                       std::optional<ByteSpan> bulk, const Attachment& attachment) {
  return {.header = header,
          .payload = bulk.has_value() ? nullptr : TakeBuffer(size - attachment.size()),
          .bulk = bulk.value_or(ByteSpan()),
          .attachment = bulk.has_value() ? Attachment() : attachment,
          .size = size,
          .sent = 0,
          // REQUESTs that are sent while this one is serialised come after it.
          .order = IsRequest(header) ? requests_kept_++ : 0,
          .descriptors = nullptr};
}

// Releases the lock amid its work, which the analysis cannot follow.
std::optional<FrameSender::Waiting> FrameSender::SendPieces(
    const FrameHeader& header, const MessageSource& message) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const size_t size = message.size();
  Waiting rest;
  // Before anything leaves: whoever receives an answer to it must find out that a rest waits.
  ++serialising_;
  ++cutting_;
  NoteBusy();
  bool released = false;
  const auto gives_way = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    // Whoever wants to send may get the lock only after this message's rest waits.
    if (mutex_.contended()) NoteOvertaking();
    return overtaken_;
  };
  const auto buffer = [&](size_t sent) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (on_long_message_) on_long_message_();
    rest = Wait(header, size);
    if (IsRequest(header) && sent != 0) BeginRequest(rest.order);
    mutex_.Unlock();
    released = true;
    return rest.payload.get();
  };
  PieceStream pieces(connection_, header, size, overtaken_ ? kPieceBeside : max_payload_, gives_way,
                     buffer);
  message.SerializeTo(pieces);
  const absl::Status status = pieces.Finish();
  if (released) mutex_.Lock();
  --serialising_;
  --cutting_;
  NoteBusy();
  if (broken_) return std::nullopt;
  if (!status.ok()) {
    Break(status);
    return std::nullopt;
  }
  rest.sent = pieces.sent();
  if (released) return rest;
  if (IsRequest(header)) BeginRequest(requests_kept_++);
  return std::nullopt;
}

Trimmed FrameSender::Trim() {
  MutexLock lock(mutex_);
  spare_.reset();
  spare_size_ = 0;
  return broken_ ? Trimmed::kAll : connection_.TrimBulk();
}

FrameSender::Waiting FrameSender::Serialise(const FrameHeader& header, absl::string_view sections,
                                            const MessageSource* message,
                                            const Attachment& attachment, size_t size,
                                            std::optional<ByteSpan> bulk) {
  if (on_long_message_) on_long_message_();
  Waiting whole = Wait(header, size, bulk, attachment);
  const int cut = IsShort(whole) ? 0 : 1;
  ++serialising_;
  cutting_ += cut;
  NoteBusy();
  {
    MutexUnlock unlock(mutex_);
    WritePayload(sections, message, whole.bytes());
    if (bulk.has_value() && !attachment.empty()) {
      std::memcpy(whole.bytes() + (size - attachment.size()), attachment.bytes().data(),
                  attachment.size());
    }
  }
  --serialising_;
  cutting_ -= cut;
  NoteBusy();
  return whole;
}

std::shared_ptr<std::byte[]> FrameSender::TakeBuffer(size_t size) {
  if (size > max_payload_ && !leaving_.empty()) Settle();
  if (size > max_payload_ && size <= spare_size_) {
    spare_size_ = 0;
    return std::move(spare_);
  }
  return std::make_shared_for_overwrite<std::byte[]>(size);
}

void FrameSender::GiveBack(Waiting& waiting) {
  const size_t size = waiting.own_size();
  if (waiting.payload == nullptr || size <= spare_size_ || size > kMaxSpareBuffer ||
      size <= max_payload_) {
    return;
  }
  waiting.leaving = nullptr;
  spare_ = std::move(waiting.payload);
  spare_size_ = size;
}

void FrameSender::Leave(Waiting waiting) {
  DiscountDescriptors(waiting);
  waiting.descriptors = nullptr;
  waiting.lent = LentUse();
  if (!waiting.has_left()) {
    leaving_.push_back(std::move(waiting));
    return;
  }
  Discount(waiting);
  GiveBack(waiting);
}

void FrameSender::Settle() {
  std::erase_if(leaving_, [this](Waiting& waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!waiting.has_left()) return false;
    Discount(waiting);
    GiveBack(waiting);
    return true;
  });
}

void FrameSender::Break(absl::Status error) {
  broken_ = true;
  error_ = std::move(error);
  control_.clear();
  queues_.clear();
  short_turns_.clear();
  turns_.clear();
  leaving_.clear();
  waiting_bytes_.Subtract(waiting_bytes_.bytes());
  waiting_descriptors_.store(0, std::memory_order_relaxed);
  lent_ = nullptr;
  unflushed_ = false;
  NoteBusy();
}

void FrameSender::Count(const Waiting& waiting) {
  waiting_bytes_.Add(BytesOf(waiting));
  if (waiting.descriptors == nullptr) return;
  waiting_descriptors_.fetch_add(waiting.descriptors->size(), std::memory_order_relaxed);
}

void FrameSender::Discount(const Waiting& waiting) {
  waiting_bytes_.Subtract(BytesOf(waiting));
  DiscountDescriptors(waiting);
}

void FrameSender::DiscountDescriptors(const Waiting& waiting) {
  if (waiting.descriptors == nullptr) return;
  waiting_descriptors_.fetch_sub(waiting.descriptors->size(), std::memory_order_relaxed);
}

bool FrameSender::CommitPiece(Waiting& waiting, size_t most) {
  const bool has_descriptors = waiting.descriptors != nullptr;
  if (has_descriptors && !connection_.descriptors()->HasRoom()) return false;
  size_t piece = waiting.size - waiting.sent;
  if (!waiting.bulk.empty()) {
    if (!connection_.CommitBulk(PieceHeader(waiting.header, waiting.sent, piece, waiting.size),
                                waiting.bulk)) {
      return false;
    }
    AttachDescriptors(waiting);
  } else {
    piece = std::min({piece, most, max_payload_});
    const bool from_memory = sends_from_memory_ && waiting.size > max_payload_;
    const ConstByteSpan part = waiting.NextPart();
    if (from_memory) piece = std::min(piece, part.size());
    if (!from_memory || has_descriptors || piece < kLeastFromMemory) {
      if (!CommitCopied(waiting, piece)) return false;
    } else if (!connection_.CommitFrom(
                   PieceHeader(waiting.header, waiting.sent, piece, waiting.size),
                   part.first(piece), waiting.Owner())) {
      return false;
    }
  }
  if (waiting.sent == 0 && IsRequest(waiting.header)) BeginRequest(waiting.order);
  waiting.lent.Leave();
  waiting.sent += piece;
  return true;
}

bool FrameSender::CommitCopied(Waiting& waiting, size_t piece) {
  const std::optional<ByteSpan> claim = connection_.Claim(piece);
  if (!claim.has_value()) return false;
  waiting.CopyTo(waiting.sent, claim->first(piece));
  AttachDescriptors(waiting);
  connection_.Commit(PieceHeader(waiting.header, waiting.sent, piece, waiting.size));
  return true;
}

void FrameSender::AttachDescriptors(Waiting& waiting) {
  if (waiting.descriptors == nullptr) return;
  DiscountDescriptors(waiting);
  connection_.descriptors()->Attach(std::move(waiting.descriptors));
}

Sent FrameSender::Resume() {
  const bool quiet = holds_back() && IsQuiet();
  if (holds_back() && !quiet) return Sent::kSome;
  // Whoever has the lock sends, and who wants it to send comes first.
  if (!mutex_.TryLock()) return Sent::kSome;
  Sent sent = Sent::kFailed;
  if (!broken_) {
    if (quiet) overtaken_ = false;
    sent = ResumeLocked();
  }
  mutex_.Unlock();
  return sent;
}

Sent FrameSender::ResumeLocked() {
  // A flush may itself make room. That room is used at once, for the medium need not announce it.
  for (bool room = true, committed = true; committed;) {
    committed = false;
    while (!control_.empty() && (room = CommitPiece(control_.front(), max_payload_))) {
      Discount(control_.front());
      control_.pop_front();
      committed = true;
    }
    // Only once no control frame waits. There may be room for a short REQUEST but not for its
    // longer METHOD frame, which must be first.
    while (control_.empty() && MayTakeTurn() && (room = TakeTurn())) committed = true;
    const Sent flushed = FlushLocked();
    if (flushed != Sent::kAll) return flushed;
    if (room) break;
  }
  return AnythingWaits() ? Sent::kSome : Sent::kAll;
}

bool FrameSender::TakeTurn() {
  // Frames that fit come first, but long messages get a piece in now and then.
  const bool is_short =
      turns_.empty() || (!short_turns_.empty() && frames_since_piece_ < kFramesAPiece);
  std::deque<uint32_t>& turns = is_short ? short_turns_ : turns_;
  const uint32_t call = turns.front();
  const auto queue = queues_.find(call);
  std::deque<Waiting>& waiting = queue->second;
  if (!CommitPiece(waiting.front(), overtaken_ ? kPieceBeside : max_payload_)) {
    return false;
  }
  frames_since_piece_ = is_short ? std::min(frames_since_piece_ + 1, kFramesAPiece) : 0;
  turns.pop_front();
  if (waiting.front().sent == waiting.front().size) {
    Leave(std::move(waiting.front()));
    waiting.pop_front();
  }
  if (waiting.empty()) {
    queues_.erase(queue);
  } else {
    AwaitTurn(call, waiting.front());
  }
  return true;
}

Sent FrameSender::FlushLocked() {
  const Flushed flushed = connection_.Flush();
  // Nearly always nothing waits, and nothing did.
  if (flushed == Flushed::kAll && idle()) return Sent::kAll;
  if (flushed == Flushed::kEnded) {
    Break(connection_.End(Interest::kSend));
    return Sent::kFailed;
  }
  if (!leaving_.empty()) Settle();
  unflushed_ = flushed == Flushed::kSome;
  NoteBusy();
  return unflushed_ ? Sent::kSome : Sent::kAll;
}

bool FrameSender::Drop(uint32_t call) {
  if (idle()) return false;
  MutexLock lock(mutex_);
  return DropLocked(call);
}

bool FrameSender::DropLocked(uint32_t call) {
  const auto queue = queues_.find(call);
  if (queue == queues_.end()) return false;
  const Waiting& first = queue->second.front();
  const bool untouched = first.header.kind == FrameKind::kRequest && first.sent == 0;
  for (Waiting& waiting : queue->second) {
    if (!waiting.bulk.empty()) connection_.FreeBulk(waiting.bulk);
    Leave(std::move(waiting));
  }
  queues_.erase(queue);
  for (std::deque<uint32_t>* const turns : {&short_turns_, &turns_}) {
    const auto turn = absl::c_find(*turns, call);
    if (turn != turns->end()) turns->erase(turn);
  }
  NoteBusy();
  return untouched;
}

bool FrameSender::HasLeft(uint32_t call) const {
  if (idle()) return true;
  MutexLock lock(mutex_);
  return broken_ || (!unflushed_ && !queues_.contains(call));
}

bool FrameSender::OwesResponse(uint32_t call) const {
  if (idle()) return false;
  MutexLock lock(mutex_);
  const auto queue = queues_.find(call);
  if (queue == queues_.end()) return false;
  const Waiting& last = queue->second.back();
  return last.header.kind == FrameKind::kResponse && last.sent == 0;
}

bool FrameSender::HasRoom(uint32_t call) const {
  if (idle()) return true;
  // Whoever is sending may be about to send all that seems to wait, and need not tell anybody then.
  MutexLock lock(mutex_);
  return !congested() && !queues_.contains(call);
}

std::optional<Wake> FrameSender::Arm() {
  if (idle()) return std::nullopt;
  MutexLock lock(mutex_);
  if (broken_ || (!unflushed_ && !AnythingWaits())) return std::nullopt;
  if (holds_back()) return Wake::Ready();
  return connection_.Arm(Interest::kSend);
}

}  // namespace nigh
