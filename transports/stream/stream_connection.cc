#include "nigh/transports/stream/stream_connection.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/types.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/epoll_set.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/stream/byte_stream.h"
#include "nigh/transports/stream/stream_filter.h"

namespace nigh {

StreamConnection::StreamConnection(std::unique_ptr<ByteStream> stream, PeerIdentity peer, Side side,
                                   PeerProcess process)
    : stream_(ScopedStreamFilter::Apply(std::move(stream))),
      peer_(std::move(peer)),
      side_(side),
      process_(std::move(process)) {
  // A set is wanted where there are two descriptors, or one may come or change.
  if (side == Side::kServer && (process_.fd() < 0 || stream_->end_fd() < 0)) return;
  ends_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC)).KeptFromChildren();
  // Without a set, one of the two is told of, or who waits polls.
  if (!ends_) return;
  if (!AddToEpollSet(ends_.get(), process_.fd()) ||
      !AddToEpollSet(ends_.get(), stream_->end_fd())) {
    BreakUnwatched();
  }
}

StreamConnection::~StreamConnection() { Close(); }

std::optional<ByteSpan> StreamConnection::Claim(size_t payload) {
  assert(payload <= kMaxPayload);
  return out_.Claim(payload);
}

void StreamConnection::Commit(const FrameHeader& header) { out_.Commit(header); }

Flushed StreamConnection::Flush() {
  if (!send_end_.ok()) return Flushed::kEnded;
  while (!out_.empty()) {
    const ssize_t count = WriteOnce();
    if (count > 0) {
      out_.Written(static_cast<size_t>(count));
    } else if (count == -EAGAIN && !(std::exchange(slept_for_room_, false) && process_.HasDied())) {
      return Flushed::kSome;
    } else {
      send_end_ = Ended("send", count == -EAGAIN ? EPIPE : static_cast<int>(-count));
      // The peer's end comes to whoever receives by itself. What only this side knows does not.
      if (count != -EAGAIN && count != -EPIPE && count != -ECONNRESET) Break(send_end_.status);
      return Flushed::kEnded;
    }
  }
  return Flushed::kAll;
}

ssize_t StreamConnection::WriteOnce() {
  if (out_.is_plain()) return stream_->Write(out_.plain());
  const OutBuffer::Parts parts = out_.Next();
  if (const Descriptors* const descriptors = out_.NextDescriptors()) {
    return stream_->WriteWith(parts.front(), *descriptors);
  }
  return stream_->WriteGathered(parts);
}

void StreamConnection::Accept(std::shared_ptr<DescriptorCount> count) {
  count_ = std::move(count);
  stream_->AcceptDescriptors(peer_.uid);
}

std::unique_ptr<Descriptors> StreamConnection::Take() {
  if (received_.empty()) return nullptr;
  std::unique_ptr<Descriptors> taken = std::move(received_.front());
  received_.pop_front();
  return taken;
}

void StreamConnection::Keep(std::unique_ptr<Descriptors> descriptors) {
  descriptors->set_whose(peer_.uid);
  descriptors->CountIn(count_);
  received_.push_back(std::move(descriptors));
  if (const absl::Status far = count_->Check(kFarTooMany); !far.ok()) {
    receive_end_.status =
        absl::Status(far.code(), absl::StrCat(peer_.address, ": receive: ", far.message()));
    Break(receive_end_.status);
  }
}

bool StreamConnection::DescriptorsBelong() {
  const size_t frames = in_.empty() ? 0 : 1;
  if (received_.size() <= frames) return true;
  receive_end_.status = absl::InternalError(
      absl::StrCat(peer_.address, ": receive: descriptors that belong to no frame"));
  Break(receive_end_.status);
  return false;
}

bool StreamConnection::HasWholeFrame() {
  const std::optional<size_t> length = in_.NextLength();
  if (!length.has_value()) return false;
  if (*length <= kMaxPayload) return in_.HasWhole(*length);
  receive_end_.status = BrokenFraming(*length);
  in_.Clear();
  Break(receive_end_.status);
  return false;
}

void StreamConnection::BreakUnwatched() {
  Break(UnavailableErrno(errno, peer_.address, "connect: epoll_ctl"));
}

void StreamConnection::Break(const absl::Status& why) {
  {
    MutexLock lock(mutex_);
    if (broken_.ok()) broken_ = why;
  }
  Close();
}

void StreamConnection::ReadMore() {
  if (closed_.load(std::memory_order_acquire)) {
    receive_end_ = Ended("receive", 0);
    return;
  }
  if (!received_.empty() && !DescriptorsBelong()) return;
  ssize_t count = ReadOnce();
  if (count == -EAGAIN && std::exchange(slept_, false) && process_.HasDied()) {
    // What it had sent is there by now.
    count = ReadOnce();
    if (count == -EAGAIN) count = 0;
  }
  if (count > 0) {
    slept_ = false;
    in_.Filled(static_cast<size_t>(count));
    if (count_ != nullptr) {
      if (std::unique_ptr<Descriptors> descriptors = stream_->TakeDescriptors()) {
        Keep(std::move(descriptors));
      }
    }
    if (side_ == Side::kClient && !received_frame_ && ends_) {
      TakeSender();
    }
  } else if (count != -EAGAIN) {
    receive_end_ = Ended("receive", static_cast<int>(-count));
  }
}

void StreamConnection::TakeSender() {
  Sender sender = stream_->TakeSender();
  IdentifySender(sender, side_, peer_);
  const bool named = sender.process && sender.credentials.has_value();
  if (!process_.Become(std::move(sender.process), ends_.get())) return BreakUnwatched();
  if (named) peer_.pidfd = process_.pidfd();
}

ssize_t StreamConnection::ReadOnce() {
  if (!in_.has_place()) {
    const ByteSpan room = in_.Tail();
    const ssize_t count = stream_->Read(room);
    drained_ = count < static_cast<ssize_t>(room.size());
    return count;
  }
  const InBuffer::Parts parts = in_.Room();
  const ssize_t count = stream_->ReadScattered(parts);
  ssize_t room = 0;
  for (const ByteSpan part : parts) room += static_cast<ssize_t>(part.size());
  // It may have left it at the first.
  drained_ = count < room && count != static_cast<ssize_t>(parts.front().size());
  return count;
}

int StreamConnection::end_fd() const {
  if (ends_) return ends_.get();
  return process_.fd() >= 0 ? process_.fd() : stream_->end_fd();
}

Received StreamConnection::Receive(absl::Span<Frame> frames) {
  if (!HasWholeFrame()) {
    if (receive_end_.ok()) ReadMore();
    if (!HasWholeFrame()) return {.ended = !receive_end_.ok()};
  }
  received_frame_ = true;
  uint32_t count = 0;
  bool more = true;
  do {
    frames[count++] = in_.Take();
    more = HasWholeFrame();
    // Whoever receives says where the next payload is to be once it has seen this one.
  } while (more && !in_.next_is_in_place() && count < frames.size());
  return {.frames = count, .all = drained_ && !more};
}

Wake StreamConnection::Arm(Interest interest) {
  if (interest == Interest::kSend) {
    if (!send_end_.ok() || out_.empty()) return Wake::Ready();
    slept_for_room_ = true;
    if (!CanTellDeath()) return Wake::Ready();
    return Wake{.fd = stream_->write_fd(),
                .events = stream_->write_events(),
                .end_fd = end_fd(),
                .end_events = POLLIN};
  }
  if (HasWholeFrame() || !receive_end_.ok()) return Wake::Ready();
  slept_ = true;
  if (!CanTellDeath()) return Wake::Ready();
  return Wake{.fd = stream_->read_fd(), .events = POLLIN, .end_fd = end_fd(), .end_events = POLLIN};
}

void StreamConnection::Close() {
  if (!birth_.is_this() || closed_.exchange(true, std::memory_order_acq_rel)) return;
  stream_->Shutdown();
}

StreamConnection::Ending StreamConnection::Ended(absl::string_view operation, int error_number) {
  if (closed_.load(std::memory_order_acquire)) {
    MutexLock lock(mutex_);
    if (!broken_.ok()) return {.status = broken_};
    return {.status = absl::UnavailableError(
                absl::StrCat(peer_.address, ": ", operation, ": this side closed the connection"))};
  }
  if (!stream_->connected()) operation = "connect";
  if (error_number != 0 && error_number != EPIPE) {
    if (error_number == EPROTO) {
      return {.status = absl::InternalError(
                  absl::StrCat(peer_.address, ": ", operation,
                               ": the peer sent descriptors, which nobody has asked for"))};
    }
    return {.status = UnavailableErrno(error_number, peer_.address, operation),
            .by_peer = error_number == ECONNRESET};
  }
  const std::optional<std::string> known = stream_->PeerEnd();
  return {
      .status = absl::UnavailableError(absl::StrCat(
          peer_.address, ": ", operation, ": ", known.value_or("the peer closed the connection"),
          operation == "receive" && !in_.empty() ? " in the middle of a frame" : "")),
      .by_peer = !known.has_value()};
}

absl::Status StreamConnection::End(Interest direction) const {
  const Ending& ending = direction == Interest::kSend ? send_end_ : receive_end_;
  if (!ending.by_peer) return ending.status;
  const std::string obituary = process_.Obituary(side_, direction);
  if (obituary.empty()) return ending.status;
  return absl::UnavailableError(absl::StrCat(ending.status.message(), ": ", obituary));
}

absl::Status StreamConnection::BrokenFraming(size_t length) const {
  if (received_frame_) {
    return absl::InternalError(absl::StrCat(peer_.address, ": receive: frame of ", length,
                                            " bytes, more than the ", kMaxPayload,
                                            " that a frame may have"));
  }
  const ConstByteSpan sample = in_.bytes().first(std::min(in_.bytes().size(), kFrameHeaderSize));
  return absl::InternalError(
      absl::StrCat(peer_.address, ": receive: the peer does not speak nigh's protocol (it began \"",
                   absl::CHexEscape(AsText(sample)), "\")"));
}

}  // namespace nigh
