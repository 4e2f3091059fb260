#include "nigh/transports/queue/queue_connection.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/epoll_set.h"
#include "nigh/runtime/wire/refusal.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/process_name.h"
#include "nigh/transports/queue/message_queue.h"
#include "nigh/transports/rendezvous/arrival.h"

namespace nigh {
namespace {

// Committed and not yet sent, in frames of the largest size.
constexpr size_t kBufferedFrames = 8;
constexpr absl::Duration kLookAfterServer = absl::Milliseconds(20);

constexpr std::byte kGreeting{'g'};
constexpr std::byte kFarewell{'b'};
constexpr size_t kGreetingSize = 1 + ProcessName::kEncodedSize;  // the letter, the server

bool Greet(MessageQueue& client) {
  std::array<std::byte, kGreetingSize> greeting = {kGreeting};
  ProcessName::OfThisProcess().Encode(&greeting[1]);
  return client.Send(greeting, Urgency::kControl) == 0;
}

Urgency UrgencyOf(FrameKind kind) { return MayOvertake(kind) ? Urgency::kControl : Urgency::kBulk; }

}  // namespace

std::unique_ptr<Connection> QueueConnection::Welcome(std::unique_ptr<MessageQueue> in,
                                                     std::unique_ptr<MessageQueue> out,
                                                     const ProcessName& client, PeerIdentity peer) {
  std::unique_ptr<QueueConnection> connection(
      new QueueConnection(std::move(in), std::move(out), nullptr, std::move(peer)));
  QueueConnection& made = *connection;
  if (!made.Open() || !made.WatchPeer(client)) return nullptr;
  return Greet(*made.out_) ? std::move(connection) : nullptr;
}

void QueueConnection::TurnAway(MessageQueue& in, MessageQueue& out, const absl::Status& why) {
  // They fit a queue that nothing has been sent to.
  (void)Greet(out);
  (void)out.Send(AsBytes(EncodeRefusal(why)), Urgency::kBulk);
  (void)out.SayFarewell(ConstByteSpan(&kFarewell, 1));
  in.LeaveNote();
  in.Empty();
}

absl::StatusOr<std::unique_ptr<Connection>> QueueConnection::Announce(
    const Arrival& client, std::unique_ptr<MessageQueue> arrivals, std::unique_ptr<MessageQueue> in,
    std::unique_ptr<MessageQueue> out, PeerIdentity peer) {
  // If this goes before the server has come, it discards both queues.
  std::unique_ptr<QueueConnection> connection(
      new QueueConnection(std::move(in), std::move(out), std::move(arrivals), std::move(peer)));
  const std::string& where = connection->peer_.address;
  const timespec tick = absl::ToTimespec(kLookAfterServer);
  const itimerspec ticks = {.it_interval = tick, .it_value = tick};
  connection->timer_ =
      UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)).KeptFromChildren();
  if (!connection->timer_ || !connection->Open() ||
      ::timerfd_settime(connection->timer_.get(), 0, &ticks, nullptr) != 0) {
    return UnavailableErrno(errno, where, "connect");
  }
  const int sent = connection->arrivals_->Send(AsBytes(client.Encode()), Urgency::kBulk);
  if (sent == -EAGAIN) {
    return absl::UnavailableError(absl::StrCat(
        where, ": connect: the server's queue of new clients is full (does it take them in?)"));
  }
  if (sent != 0) return UnavailableErrno(-sent, where, "connect: announce this client");
  return connection;
}

QueueConnection::QueueConnection(std::unique_ptr<MessageQueue> in,
                                 std::unique_ptr<MessageQueue> out,
                                 std::unique_ptr<MessageQueue> arrivals, PeerIdentity peer)
    : in_(std::move(in)),
      out_(std::move(out)),
      peer_(std::move(peer)),
      ends_(UniqueFd(::epoll_create1(EPOLL_CLOEXEC)).KeptFromChildren()),
      closed_(UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)).KeptFromChildren()),
      arrivals_(std::move(arrivals)),
      greeted_(arrivals_ == nullptr),
      buffer_(kBufferedFrames * out_->max_message()),
      message_(in_->max_message()) {}

QueueConnection::~QueueConnection() {
  if (!birth_.is_this()) return;
  Close();
  // A living peer still reads what was sent, and removes the queue then.
  const bool met =
      greeted_.load(std::memory_order_acquire) || out_->FindReceiver() == Receiver::kThere;
  if (!met || peer_died_.load(std::memory_order_acquire) || LookForDeath()) out_->Discard();
  if (!met) in_->Discard();
}

bool QueueConnection::Open() {
  return ends_ && closed_ && AddToEpollSet(ends_.get(), closed_.get()) &&
         AddToEpollSet(ends_.get(), timer_.get());
}

bool QueueConnection::WatchPeer(const ProcessName& name) {
  UniqueFd process = WatchProcess(name, peer_.uid);
  if (!process && errno == ESRCH) {
    peer_died_.store(true, std::memory_order_release);
    return false;
  }
  return process_.Become(std::move(process), ends_.get());
}

bool QueueConnection::ServerHasGone() const {
  switch (out_->FindReceiver()) {
    case Receiver::kThere:
      return false;
    case Receiver::kGone:
      return true;
    case Receiver::kNotYet:
      break;
  }
  if (arrivals_->FindReceiver() == Receiver::kThere) return false;
  // The last thing that it did may have been to come.
  return out_->FindReceiver() != Receiver::kThere;
}

bool QueueConnection::LookForDeath() {
  if (greeted_.load(std::memory_order_acquire)) {
    return process_.HasDied();
  }
  uint64_t ticks;
  const bool due = ::read(timer_.get(), &ticks, sizeof(ticks)) == sizeof(ticks);
  return due && ServerHasGone();
}

std::optional<ByteSpan> QueueConnection::Claim(size_t payload) {
  assert(payload <= max_payload());
  const size_t size = kFrameHeaderSize + payload;
  if (size > buffer_.size() - end_) {
    if (size > buffer_.size() - (end_ - begin_)) return std::nullopt;
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }
  return ByteSpan(&buffer_[end_] + kFrameHeaderSize, payload);
}

void QueueConnection::Commit(const FrameHeader& header) {
  EncodeFrameHeader(header, &buffer_[end_]);
  end_ += kFrameHeaderSize + header.length;
}

Flushed QueueConnection::Flush() {
  while (send_status_.ok() && begin_ != end_) {
    if (closing_.load(std::memory_order_acquire)) {
      send_status_ = Ended("send", "this side closed the connection");
    } else if (peer_left_.load(std::memory_order_acquire)) {
      send_status_ = Ended("send", "the peer closed the connection");
    } else if (peer_died_.load(std::memory_order_acquire)) {
      send_status_ = Ended("send", Obituary());
    }
    if (!send_status_.ok()) break;
    const std::byte* const at = &buffer_[begin_];
    const FrameHeader header = DecodeFrameHeader(at);
    const size_t size = kFrameHeaderSize + header.length;
    const int result = out_->Send(ConstByteSpan(at, size), UrgencyOf(header.kind));
    if (result == 0) {
      begin_ += size;
    } else if (result != -EAGAIN) {
      send_status_ = Ended("send", result == -EPIPE ? "the peer closed the connection"
                                                    : std::generic_category().message(-result));
      // The peer's end comes to whoever receives by itself. What only this side knows does not.
      if (result != -EPIPE) Break(send_status_);
    } else if (out_->HasNote()) {
      peer_left_.store(true, std::memory_order_release);
    } else if (LookForDeath()) {
      peer_died_.store(true, std::memory_order_release);
    } else {
      return Flushed::kSome;
    }
  }
  if (!send_status_.ok()) return Flushed::kEnded;
  begin_ = end_ = 0;
  return Flushed::kAll;
}

void QueueConnection::TakeGreeting(ConstByteSpan message) {
  if (greeted_.load(std::memory_order_relaxed) || message.size() != kGreetingSize) {
    receive_status_ = absl::InternalError(
        absl::StrCat(peer_.address, ": receive: the peer sent a greeting that is none"));
    return Close();
  }
  if (!WatchPeer(ProcessName::Decode(&message[1])) && !peer_died_.load(std::memory_order_relaxed)) {
    receive_status_ = UnavailableErrno(errno, peer_.address, "connect: epoll_ctl");
    return Close();
  }
  in_->Met();
  out_->Met();
  // No more ticks: from now on the pidfd tells.
  ::epoll_ctl(ends_.get(), EPOLL_CTL_DEL, timer_.get(), nullptr);
  // Release: a sending thread that sees this also sees the pidfd.
  greeted_.store(true, std::memory_order_release);
}

bool QueueConnection::TakeFrame(size_t size, Frame& frame) {
  if (size >= kFrameHeaderSize) frame.header = DecodeFrameHeader(message_.data());
  if (size < kFrameHeaderSize || frame.header.length != size - kFrameHeaderSize) {
    receive_status_ = absl::InternalError(absl::StrCat(
        peer_.address, ": receive: a message of ", size, " bytes that is no frame",
        size < kFrameHeaderSize ? "" : absl::StrCat(" (it says ", frame.header.length, ")")));
    Close();
    return false;
  }
  frame.payload = ConstByteSpan(&message_[kFrameHeaderSize], frame.header.length);
  return true;
}

Received QueueConnection::Receive(absl::Span<Frame> frames) {
  for (;;) {
    if (receive_status_.ok() && closing_.load(std::memory_order_acquire)) {
      MutexLock lock(mutex_);
      receive_status_ =
          broken_.ok() ? Ended("receive", "this side closed the connection") : broken_;
    }
    if (!receive_status_.ok()) return {.ended = true};
    const ssize_t size = in_->Receive(ByteSpan(message_));
    if (size >= 0) {
      ++messages_;
      bytes_ += static_cast<size_t>(size);
      slept_ = false;
      if (size > 0 && static_cast<size_t>(size) < kFrameHeaderSize) {
        if (message_[0] == kGreeting) {
          TakeGreeting(ConstByteSpan(message_.data(), static_cast<size_t>(size)));
          continue;
        }
        if (message_[0] == kFarewell && size == 1) {
          if (!last_look_) peer_left_.store(true, std::memory_order_release);
          receive_status_ = Ended("receive", peer_died_.load(std::memory_order_acquire)
                                                 ? Obituary()
                                                 : "the peer closed the connection");
          continue;
        }
      }
      // One at a time, for there is one place to take it to.
      const bool taken = TakeFrame(static_cast<size_t>(size), frames[0]);
      return {.frames = taken ? 1U : 0U, .ended = !taken};
    }
    if (size != -EAGAIN) {
      receive_status_ = Ended("receive", std::generic_category().message(static_cast<int>(-size)));
      continue;
    }
    const bool may_have_been_full = in_->MayHaveBeenFull(messages_, bytes_);
    messages_ = bytes_ = 0;
    if (last_look_) return {};
    if (may_have_been_full && in_->HasNote()) {
      peer_left_.store(true, std::memory_order_release);
    } else if (!peer_left_.load(std::memory_order_acquire) &&
               !peer_died_.load(std::memory_order_acquire)) {
      if (!std::exchange(slept_, false) || !LookForDeath()) return {};
      peer_died_.store(true, std::memory_order_release);
    }
    // What it had sent comes first, even what a helper has just been given: this side says the
    // farewell in its place.
    last_look_ = in_->SayFarewell(ConstByteSpan(&kFarewell, 1));
    if (!last_look_) return {};
  }
}

Wake QueueConnection::Arm(Interest interest) {
  if (closing_.load(std::memory_order_acquire)) return Wake::Ready();
  Wake wake;
  if (interest == Interest::kSend) {
    if (!send_status_.ok() || begin_ == end_) return Wake::Ready();
    wake = out_->Arm();
  } else {
    if (!receive_status_.ok()) return Wake::Ready();
    slept_ = true;
    wake = in_->Arm();
  }
  wake.end_fd = ends_.get();
  wake.end_events = POLLIN;
  return wake;
}

void QueueConnection::Break(const absl::Status& why) {
  {
    MutexLock lock(mutex_);
    broken_ = why;
  }
  Close();
}

void QueueConnection::Close() {
  if (!birth_.is_this() || closing_.exchange(true, std::memory_order_acq_rel)) return;
  // Never read: whoever polls on this side wakes, and goes on waking.
  (void)::eventfd_write(closed_.get(), 1);
  if (!out_->SayFarewell(ConstByteSpan(&kFarewell, 1))) {
    out_->LeaveNote();
    // The peer may have emptied the queue in between, and have seen no note. If it is still full,
    // the peer has that before it.
    (void)out_->SayFarewell(ConstByteSpan(&kFarewell, 1));
  }
  // In this order: a peer that the room wakes finds the note.
  in_->LeaveNote();
  in_->Empty();
}

absl::Status QueueConnection::Ended(absl::string_view operation, absl::string_view why) const {
  return absl::UnavailableError(absl::StrCat(peer_.address, ": ", operation, ": ", why));
}

std::string QueueConnection::Obituary() const {
  const std::string told = process_.Obituary(absl::ZeroDuration());
  return told.empty() ? "the peer's process has died" : told;
}

}  // namespace nigh
