#ifndef NIGH_TRANSPORTS_STREAM_STREAM_CONNECTION_H_
#define NIGH_TRANSPORTS_STREAM_STREAM_CONNECTION_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nigh/mutex.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/waiter.h"
#include "nigh/transports/stream/byte_stream.h"

namespace nigh {

// Frames over a byte stream: each frame is its header's 24 bytes, then its payload, with nothing
// between frames.
//
// A claim is a part of the out-buffer, right behind where the header goes, so that a message is
// serialised where send(2) takes it from. A received frame is a part of the in-buffer, where
// recv(2) put it. One recv(2) takes in whatever is there, however many frames that is.
class StreamConnection final : public Connection {
 public:
  static constexpr size_t kMaxFrame = 64 * 1024;
  static constexpr size_t kMaxPayload = kMaxFrame - kFrameHeaderSize;

  StreamConnection(std::unique_ptr<ByteStream> stream, PeerIdentity peer);
  ~StreamConnection() override;

  std::optional<ByteSpan> Claim(size_t payload) override;
  void Commit(const FrameHeader& header) override;
  Flushed Flush() override;
  Received Receive(absl::Span<Frame> frames) override;
  // Nothing to do: the next read from the stream overwrites them.
  void Release(size_t /*count*/) override {}
  absl::Status End(Interest direction) const override {
    return direction == Interest::kSend ? send_status_ : receive_status_;
  }
  Wake Arm(Interest interest) override;
  Waiter::PollCost poll_cost() const override { return Waiter::PollCost::kSystemCall; }
  void Close() override;
  size_t max_payload() const override { return kMaxPayload; }
  const PeerIdentity& peer() const override { return peer_; }

 private:
  // Bytes [begin, end) are in use. Starts over at 0 whenever it has run empty: a connection that
  // carries small frames touches the first page alone, and the rest of the buffer never becomes
  // resident.
  struct Buffer {
    Buffer();
    size_t size() const { return end - begin; }
    // Makes [end, kBufferSize) as long as it can be.
    void Compact();

    std::unique_ptr<std::byte[]> bytes;
    size_t begin = 0;
    size_t end = 0;
  };

  bool HasWholeFrame();
  void ReadMore();
  // What `error_number`, or the peer's end when it is 0, means for `operation`.
  absl::Status Ended(absl::string_view operation, int error_number);
  absl::Status BrokenFraming(size_t length) const;

  const std::unique_ptr<ByteStream> stream_;
  const PeerIdentity peer_;

  // The sending thread's.
  Buffer out_;
  absl::Status send_status_;  // final once it is not OK

  // The receiving thread's.
  Buffer in_;                    // begins behind the frames that have been received
  bool drained_ = false;         // the last read found less than there was room for
  bool received_frame_ = false;  // ever
  absl::Status receive_status_;  // final once it is not OK

  std::atomic<bool> closed_ = false;  // by this side
  Mutex mutex_;
  absl::Status broken_ ABSL_GUARDED_BY(mutex_);  // why this side gave the connection up
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_STREAM_STREAM_CONNECTION_H_
