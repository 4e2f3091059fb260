#include "nigh/runtime/call/frame_sender.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/io/zero_copy_stream.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/spare_buffer.h"
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

void WritePayload(absl::string_view sections, const MessageSource* message, std::byte* to) {
  if (!sections.empty()) std::memcpy(to, sections.data(), sections.size());
  if (message != nullptr) message->SerializeTo(to + sections.size());
}

// The header of the piece that begins at `sent` of a payload of `size` bytes.
FrameHeader PieceHeader(const FrameHeader& first, size_t sent, size_t piece, size_t size) {
  FrameHeader header =
      sent == 0 ? first : FrameHeader{.kind = FrameKind::kPiece, .call = first.call};
  header.length = static_cast<uint32_t>(piece);
  header.rest = static_cast<uint32_t>(size - sent - piece);
  return header;
}

// Takes a long message from the serialiser. It claims pieces from the connection, each of which
// leaves when it is full. Once there is no room, it takes memory for the rest.
class PieceStream final : public google::protobuf::io::ZeroCopyOutputStream {
 public:
  // `buffer` makes memory for the whole payload, so that the rest has its place at the same offset.
  PieceStream(Connection& connection, const FrameHeader& header, size_t size,
              absl::FunctionRef<std::unique_ptr<std::byte[]>()> buffer)
      : connection_(connection), header_(header), size_(size), buffer_(buffer) {}

  bool Next(void** data, int* size) override {
    if (const size_t unused = std::exchange(unused_, 0); unused != 0) {
      *data = given_end_ - unused;
      *size = static_cast<int>(unused);
      return true;
    }
    CommitPiece();
    const size_t left = size_ - begun_;
    if (left == 0 || rest_ != nullptr) {
      // The serialiser asks for more than it writes. It writes nothing here, unless the message has
      // grown since it was measured; Finish tells.
      given_end_ = nullptr;
      *data = scratch_.data();
      *size = static_cast<int>(scratch_.size());
      return true;
    }
    const size_t piece = std::min(left, connection_.max_payload());
    if (std::optional<ByteSpan> claim = connection_.Claim(piece)) {
      *data = claim->data();
      claimed_ = piece;
      begun_ += piece;
      *size = static_cast<int>(piece);
    } else {
      rest_ = buffer_();
      *data = rest_.get() + begun_;
      *size = static_cast<int>(left);
    }
    given_end_ = static_cast<std::byte*>(*data) + *size;
    return true;
  }
  void BackUp(int count) override {
    if (given_end_ != nullptr) unused_ = static_cast<size_t>(count);
  }
  int64_t ByteCount() const override { return static_cast<int64_t>(begun_); }

  // Must be called at the end. Fails if the connection has, or if the message has changed its size.
  absl::Status Finish() {
    if (unused_ != 0 || (begun_ < size_ && rest_ == nullptr)) {
      return absl::InternalError("a message changed while it was being sent");
    }
    CommitPiece();
    return status_;
  }
  // How many bytes have been committed, and the memory that holds the rest.
  size_t sent() const { return begun_; }
  std::unique_ptr<std::byte[]> TakeRest() { return std::move(rest_); }

 private:
  void CommitPiece() {
    const size_t piece = std::exchange(claimed_, 0);
    if (piece == 0) return;
    connection_.Commit(PieceHeader(header_, begun_ - piece, piece, size_));
    // At once, so that the peer can begin to take pieces while the next one is serialised.
    if (status_.ok() && connection_.Flush() == Flushed::kEnded) {
      status_ = connection_.End(Interest::kSend);
    }
  }

  Connection& connection_;
  const FrameHeader header_;
  const size_t size_;
  const absl::FunctionRef<std::unique_ptr<std::byte[]>()> buffer_;
  size_t begun_ = 0;                // bytes of the payload for which pieces have been claimed
  size_t claimed_ = 0;              // bytes of the last piece, while it is not committed
  std::byte* given_end_ = nullptr;  // end of the memory that Next gave; null: that was scratch_
  size_t unused_ = 0;               // bytes before given_end_ that the serialiser has given back
  std::unique_ptr<std::byte[]> rest_;
  absl::Status status_;
  std::array<std::byte, 64> scratch_;
};

}  // namespace

Sent FrameSender::Send(FrameHeader header, absl::string_view sections,
                       const MessageSource* message) {
  MutexLock lock(mutex_);
  return SendLocked(header, sections, message);
}

Sent FrameSender::SendText(FrameHeader header, absl::string_view text) {
  const MessageSource source(text);
  MutexLock lock(mutex_);
  return SendLocked(header, "", &source);
}

Sent FrameSender::SendRequestLocked(FrameHeader header, const char* method_name,
                                    absl::string_view sections, const MessageSource* message) {
  if (header.method >= declared_.size()) declared_.resize(header.method + 1);
  if (!declared_[header.method]) {
    declared_[header.method] = true;
    const MessageSource name((absl::string_view(method_name)));
    const FrameHeader method = {.kind = FrameKind::kMethod, .method = header.method};
    if (SendLocked(method, "", &name) == Sent::kFailed) return Sent::kFailed;
  }
  return SendLocked(header, sections, message);
}

Sent FrameSender::SendLocked(FrameHeader header, absl::string_view sections,
                             const MessageSource* message) {
  if (broken_) return Sent::kFailed;
  if (!sections.empty()) header.flags |= kSections;
  const size_t size = sections.size() + (message == nullptr ? 0 : message->size());
  const bool first = !AnythingWaits();
  const bool fits = size <= connection_.max_payload();
  if (first && fits) {
    if (std::optional<ByteSpan> claim = connection_.Claim(size)) {
      WritePayload(sections, message, claim->data());
      header.length = static_cast<uint32_t>(size);
      connection_.Commit(header);
      return FlushLocked();
    }
  }
  // From here on the frame counts as taken, whatever happens. Part of it may have left before the
  // connection ended, so its sender must not be told that it was refused.
  if (first && !fits && sections.empty() && message != nullptr &&
      message->view().message != nullptr) {
    std::optional<Waiting> rest = SendPieces(header, *message);
    if (broken_) return Sent::kSome;
    if (rest.has_value()) (void)Keep(*std::move(rest));
  } else {
    Waiting waiting{.header = header, .payload = TakeBuffer(size), .size = size};
    WritePayload(sections, message, waiting.payload.get());
    if (!Keep(std::move(waiting))) return Sent::kFailed;
  }
  return ResumeLocked() == Sent::kAll ? Sent::kAll : Sent::kSome;
}

bool FrameSender::Keep(Waiting waiting) {
  if (IsControl(waiting.header.kind)) {
    if (control_.size() >= kMaxWaitingControl) {
      Break(absl::ResourceExhaustedError(
          absl::StrCat(connection_.peer().address, ": send: ", control_.size(),
                       " answers wait for a peer that sends but does not receive")));
      return false;
    }
    control_.push_back(std::move(waiting));
  } else {
    const uint32_t call = waiting.header.call;
    std::deque<Waiting>& queue = queues_[call];
    if (queue.empty()) turns_.push_back(call);
    queue.push_back(std::move(waiting));
  }
  NoteBusy();
  return true;
}

std::optional<FrameSender::Waiting> FrameSender::SendPieces(const FrameHeader& header,
                                                            const MessageSource& message) {
  const size_t size = message.size();
  // Before anything leaves: whoever receives an answer to it must find out that a rest waits.
  busy_.store(true, std::memory_order_release);
  const auto buffer = [this, size]()
                          ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return TakeBuffer(size); };
  PieceStream pieces(connection_, header, size, buffer);
  message.SerializeTo(pieces);
  if (absl::Status status = pieces.Finish(); !status.ok()) {
    Break(std::move(status));
    return std::nullopt;
  }
  if (pieces.sent() == size) return std::nullopt;
  return Waiting{
      .header = header, .payload = pieces.TakeRest(), .size = size, .sent = pieces.sent()};
}

std::unique_ptr<std::byte[]> FrameSender::TakeBuffer(size_t size) {
  if (size > spare_size_ || size <= connection_.max_payload()) {
    return std::unique_ptr<std::byte[]>(new std::byte[size]);
  }
  spare_size_ = 0;
  return std::move(spare_);
}

void FrameSender::GiveBack(Waiting& waiting) {
  if (waiting.size <= spare_size_ || waiting.size > kMaxSpareBuffer ||
      waiting.size <= connection_.max_payload()) {
    return;
  }
  spare_ = std::move(waiting.payload);
  spare_size_ = waiting.size;
}

void FrameSender::Break(absl::Status error) {
  broken_ = true;
  error_ = std::move(error);
  control_.clear();
  queues_.clear();
  turns_.clear();
  unflushed_ = false;
  NoteBusy();
}

bool FrameSender::CommitPiece(Waiting& waiting) {
  const size_t left = waiting.size - waiting.sent;
  const size_t piece = std::min(left, connection_.max_payload());
  std::optional<ByteSpan> claim = connection_.Claim(piece);
  if (!claim.has_value()) return false;
  std::memcpy(claim->data(), waiting.payload.get() + waiting.sent, piece);
  connection_.Commit(PieceHeader(waiting.header, waiting.sent, piece, waiting.size));
  waiting.sent += piece;
  return true;
}

Sent FrameSender::Resume() {
  MutexLock lock(mutex_);
  return broken_ ? Sent::kFailed : ResumeLocked();
}

Sent FrameSender::ResumeLocked() {
  // A flush may itself make room. That room is used at once, for the medium need not announce it.
  for (bool room = true, committed = true; committed;) {
    committed = false;
    while (!control_.empty() && (room = CommitPiece(control_.front()))) {
      control_.pop_front();
      committed = true;
    }
    // Only once no control frame waits. There may be room for a short REQUEST but not for its
    // longer METHOD frame, which must be first.
    while (control_.empty() && !turns_.empty() && (room = TakeTurn())) committed = true;
    const Sent flushed = FlushLocked();
    if (flushed != Sent::kAll || room) return flushed;
  }
  return Sent::kSome;
}

bool FrameSender::TakeTurn() {
  const uint32_t call = turns_.front();
  const auto queue = queues_.find(call);
  Waiting& waiting = queue->second.front();
  if (!CommitPiece(waiting)) return false;
  if (waiting.sent == waiting.size) {
    GiveBack(waiting);
    queue->second.pop_front();
  }
  turns_.pop_front();
  if (queue->second.empty()) {
    queues_.erase(queue);
  } else {
    turns_.push_back(call);
  }
  return true;
}

Sent FrameSender::FlushLocked() {
  const Flushed flushed = connection_.Flush();
  if (flushed == Flushed::kEnded) {
    Break(connection_.End(Interest::kSend));
    return Sent::kFailed;
  }
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
  queues_.erase(queue);
  turns_.erase(absl::c_find(turns_, call));
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

bool FrameSender::congested() const {
  if (idle()) return false;
  MutexLock lock(mutex_);
  return AnythingWaits();
}

std::optional<Wake> FrameSender::Arm() {
  if (idle()) return std::nullopt;
  MutexLock lock(mutex_);
  if (broken_ || (!unflushed_ && !AnythingWaits())) return std::nullopt;
  return connection_.Arm(Interest::kSend);
}

}  // namespace nigh
