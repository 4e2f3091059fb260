#ifndef NIGH_TRANSPORTS_STREAM_STREAM_CONNECTION_H_
#define NIGH_TRANSPORTS_STREAM_STREAM_CONNECTION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/runtime/base/fifo.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transport/waiter.h"
#include "nigh/transports/process/peer_process.h"
#include "nigh/transports/stream/byte_stream.h"
#include "nigh/transports/stream/in_buffer.h"
#include "nigh/transports/stream/out_buffer.h"
#include "nigh/transports/stream/stream_frame.h"

namespace nigh {

// Frames over a byte stream: each frame is its header's 24 bytes, then its payload, with nothing
// between frames.
//
// A claim is a part of the out-buffer, right behind where the header goes, so that a message is
// serialised where send(2) takes it from. A received frame is a part of the in-buffer, where
// recv(2) put it. One recv(2) takes in whatever is there, however many frames that is. Over
// sockets, payloads that are cut into pieces leave from where they lie, several pieces in one
// sendmsg(2), and arrive where the receiver puts them together.
//
// The end of the stream is the end of the connection, and so is the death of the peer's process,
// whoever else may have the stream open. Whether it has died is asked after a sleep in vain, so it
// costs nothing while frames come.
class StreamConnection final : public Connection, private DescriptorLane {
 public:
  static constexpr size_t kMaxFrame = kMaxStreamFrame;
  static constexpr size_t kMaxPayload = kMaxStreamPayload;

  StreamConnection(std::unique_ptr<ByteStream> stream, PeerIdentity peer)
      : StreamConnection(std::move(stream), std::move(peer), Side::kServer, PeerProcess()) {}
  // `process` is the peer's. A client's may turn out to be another when the server has sent its
  // first bytes (ByteStream::TakeSender).
  StreamConnection(std::unique_ptr<ByteStream> stream, PeerIdentity peer, Side side,
                   PeerProcess process);
  ~StreamConnection() override;

  std::optional<ByteSpan> Claim(size_t payload) override;
  void Commit(const FrameHeader& header) override;
  bool sends_from_memory() const override { return stream_->is_vectored(); }
  bool CommitFrom(const FrameHeader& header, ConstByteSpan payload,
                  std::shared_ptr<const void> owner) override {
    return out_.CommitFrom(header, payload, std::move(owner));
  }
  Flushed Flush() override;
  Received Receive(absl::Span<Frame> frames) override;
  void ReceiveInto(uint32_t call, ByteSpan place) override {
    if (stream_->is_vectored()) in_.Place(call, place);
  }
  // Nothing to do: the next read from the stream overwrites them.
  void Release(size_t /*count*/) override {}
  absl::Status End(Interest direction) const override;
  Wake Arm(Interest interest) override;
  Waiter::PollCost poll_cost() const override { return Waiter::PollCost::kSystemCall; }
  void Close() override;
  size_t max_payload() const override { return kMaxPayload; }
  DescriptorLane* descriptors() override { return stream_->carries_descriptors() ? this : nullptr; }
  const PeerIdentity& peer() const override { return peer_; }

 private:
  // As DescriptorLane.
  void Accept(std::shared_ptr<DescriptorCount> count) override;
  void Attach(std::shared_ptr<const Descriptors> descriptors) override {
    out_.Attach(std::move(descriptors));
  }
  bool HasRoom() override { return out_.HasRoomToAttach(); }
  std::unique_ptr<Descriptors> Take() override;

  // How a direction has ended.
  struct Ending {
    bool ok() const { return status.ok(); }

    absl::Status status;   // final once it is not OK
    bool by_peer = false;  // and nothing is known but that
  };

  // Writes once, from what is next in the out-buffer, which is not empty.
  ssize_t WriteOnce();
  void Keep(std::unique_ptr<Descriptors> descriptors);
  // Whether what has come belongs to frames. `in_` holds the beginning of one frame at most.
  bool DescriptorsBelong();
  bool HasWholeFrame();
  // Gives the connection up: it is what either direction then says of its end.
  void Break(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mutex_);
  // The same where what tells of the peer's end cannot be put into ends_; errno says why.
  void BreakUnwatched() ABSL_LOCKS_EXCLUDED(mutex_);
  void ReadMore();
  // A client's: who has sent the first bytes is the peer, whoever listened.
  void TakeSender();
  // Reads once. 0: there is an end.
  ssize_t ReadOnce();
  // False: the process had died before it could be watched, so nothing will tell of that.
  bool CanTellDeath() const { return process_.fd() >= 0 || !process_.HasDied(); }
  // What to poll for the end, or -1.
  int end_fd() const;
  // What `error_number`, or the peer's end when it is 0, means for `operation`.
  Ending Ended(absl::string_view operation, int error_number);
  absl::Status BrokenFraming(size_t length) const;

  const BirthProcess birth_;
  const std::unique_ptr<ByteStream> stream_;
  // A client's receiving thread learns who it is; where it is stays.
  PeerIdentity peer_;
  const Side side_;
  PeerProcess process_;
  UniqueFd ends_;  // an epoll set, where the end has more than one descriptor, or may get another

  // The sending thread's.
  OutBuffer out_;
  bool slept_for_room_ = false;
  Ending send_end_;

  // The receiving thread's.
  InBuffer in_;                                  // begins behind the frames that have been received
  std::shared_ptr<DescriptorCount> count_;       // null: descriptors are not accepted
  Fifo<std::unique_ptr<Descriptors>> received_;  // in order
  bool drained_ = false;                         // the last read found less than there was room for
  bool received_frame_ = false;                  // ever
  bool slept_ = false;                           // since the last read that found something
  Ending receive_end_;

  std::atomic<bool> closed_ = false;  // by this side
  mutable Mutex mutex_;
  absl::Status broken_ ABSL_GUARDED_BY(mutex_);  // why this side gave the connection up
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_STREAM_STREAM_CONNECTION_H_
