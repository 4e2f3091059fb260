#include "nigh/transports/stream/stream_connection.h"

#include <poll.h>
#include <sys/types.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nigh/mutex.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/stream/byte_stream.h"

namespace nigh {
namespace {

// Two of the largest frames: one on its way out while the next is filled; one being read while the
// next comes in. Larger buffers leave the second-level cache and gain nothing.
constexpr size_t kBufferSize = 2 * StreamConnection::kMaxFrame;

// The length comes first in a header, so that a stranger who never sends 24 bytes is recognised by
// four.
constexpr size_t kLengthSize = sizeof(uint32_t);

}  // namespace

// Not zeroed: pages that are never used are never touched.
StreamConnection::Buffer::Buffer() : bytes(new std::byte[kBufferSize]) {}

void StreamConnection::Buffer::Compact() {
  if (begin == 0) return;
  if (begin != end) std::memmove(bytes.get(), bytes.get() + begin, size());
  end -= begin;
  begin = 0;
}

StreamConnection::StreamConnection(std::unique_ptr<ByteStream> stream, PeerIdentity peer)
    : stream_(std::move(stream)), peer_(std::move(peer)) {}

StreamConnection::~StreamConnection() { Close(); }

std::optional<ByteSpan> StreamConnection::Claim(size_t payload) {
  assert(payload <= kMaxPayload);
  const size_t size = kFrameHeaderSize + payload;
  if (size > kBufferSize - out_.end) {
    if (size > kBufferSize - out_.size()) return std::nullopt;
    out_.Compact();
  }
  return ByteSpan(out_.bytes.get() + out_.end + kFrameHeaderSize, payload);
}

void StreamConnection::Commit(const FrameHeader& header) {
  assert(kFrameHeaderSize + header.length <= kBufferSize - out_.end);
  EncodeFrameHeader(header, out_.bytes.get() + out_.end);
  out_.end += kFrameHeaderSize + header.length;
}

Flushed StreamConnection::Flush() {
  if (!send_status_.ok()) return Flushed::kEnded;
  while (out_.begin != out_.end) {
    const ssize_t count = stream_->Write(ConstByteSpan(out_.bytes.get() + out_.begin, out_.size()));
    if (count > 0) {
      out_.begin += static_cast<size_t>(count);
    } else if (count == -EAGAIN) {
      return Flushed::kSome;
    } else {
      send_status_ = Ended("send", static_cast<int>(-count));
      return Flushed::kEnded;
    }
  }
  out_.begin = out_.end = 0;
  return Flushed::kAll;
}

bool StreamConnection::HasWholeFrame() {
  if (in_.size() < kLengthSize) return false;
  const size_t length = LoadLittle<uint32_t>(in_.bytes.get() + in_.begin);
  if (length <= kMaxPayload) return in_.size() >= kFrameHeaderSize + length;
  receive_status_ = BrokenFraming(length);
  in_.begin = in_.end = 0;
  {
    MutexLock lock(mutex_);
    broken_ = receive_status_;
  }
  Close();
  return false;
}

void StreamConnection::ReadMore() {
  if (closed_.load(std::memory_order_acquire)) {
    receive_status_ = Ended("receive", 0);
    return;
  }
  // What is left is the beginning of one frame at most, and one move of it a read.
  in_.Compact();
  const size_t room = kBufferSize - in_.end;
  const ssize_t count = stream_->Read(ByteSpan(in_.bytes.get() + in_.end, room));
  drained_ = count < static_cast<ssize_t>(room);
  if (count > 0) {
    in_.end += static_cast<size_t>(count);
  } else if (count != -EAGAIN) {
    receive_status_ = Ended("receive", static_cast<int>(-count));
  }
}

Received StreamConnection::Receive(absl::Span<Frame> frames) {
  if (!HasWholeFrame()) {
    if (receive_status_.ok()) ReadMore();
    if (!HasWholeFrame()) return {.ended = !receive_status_.ok()};
  }
  received_frame_ = true;
  uint32_t count = 0;
  bool more = true;
  do {
    const std::byte* const at = in_.bytes.get() + in_.begin;
    Frame& frame = frames[count++];
    frame.header = DecodeFrameHeader(at);
    frame.payload = ConstByteSpan(at + kFrameHeaderSize, frame.header.length);
    in_.begin += kFrameHeaderSize + frame.header.length;
    more = HasWholeFrame();
  } while (more && count < frames.size());
  return {.frames = count, .all = drained_ && !more};
}

Wake StreamConnection::Arm(Interest interest) {
  if (interest == Interest::kSend) {
    if (!send_status_.ok() || out_.size() == 0) return Wake::Ready();
    return Wake{.fd = stream_->write_fd(),
                .events = stream_->write_events(),
                .end_fd = stream_->end_fd(),
                .end_events = POLLIN};
  }
  if (HasWholeFrame() || !receive_status_.ok()) return Wake::Ready();
  return Wake{.fd = stream_->read_fd(),
              .events = POLLIN,
              .end_fd = stream_->end_fd(),
              .end_events = POLLIN};
}

void StreamConnection::Close() {
  if (closed_.exchange(true, std::memory_order_acq_rel)) return;
  stream_->Shutdown();
}

absl::Status StreamConnection::Ended(absl::string_view operation, int error_number) {
  if (closed_.load(std::memory_order_acquire)) {
    MutexLock lock(mutex_);
    if (!broken_.ok()) return broken_;
    return absl::UnavailableError(
        absl::StrCat(peer_.address, ": ", operation, ": this side closed the connection"));
  }
  if (!stream_->connected()) operation = "connect";
  if (error_number != 0 && error_number != EPIPE) {
    return UnavailableErrno(error_number, peer_.address, operation);
  }
  return absl::UnavailableError(
      absl::StrCat(peer_.address, ": ", operation, ": ", stream_->PeerEnd(),
                   operation == "receive" && in_.size() != 0 ? " in the middle of a frame" : ""));
}

absl::Status StreamConnection::BrokenFraming(size_t length) const {
  if (received_frame_) {
    return absl::InternalError(absl::StrCat(peer_.address, ": receive: frame of ", length,
                                            " bytes, more than the ", kMaxPayload,
                                            " that a frame may have"));
  }
  const ConstByteSpan sample(in_.bytes.get() + in_.begin, std::min(in_.size(), kFrameHeaderSize));
  return absl::InternalError(
      absl::StrCat(peer_.address, ": receive: the peer does not speak nigh's protocol (it began \"",
                   absl::CHexEscape(AsText(sample)), "\")"));
}

}  // namespace nigh
