#ifndef NIGH_TRANSPORTS_INPROC_FRAME_QUEUE_H_
#define NIGH_TRANSPORTS_INPROC_FRAME_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "nigh/mutex.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/inproc/doorbell.h"

namespace nigh {

// One direction of an inproc connection: a ring of frames that are written and read in place.
//
// A frame is its encoded header and its payload, contiguous, aligned to 8 bytes. What is left at
// the end of the ring when the next frame does not fit is skipped by a mark. Positions count bytes
// and only grow; the writer alone moves staged, then tail; the reader alone moves head:
//
//         head          tail        staged
//   ------|#############|+++++++++++|-------      # published   + committed, not flushed
//
// One writer thread, one reader thread.
class FrameQueue {
 public:
  static constexpr size_t kCapacity = 256 * 1024;
  static constexpr size_t kMaxPayload = 64 * 1024 - kFrameHeaderSize;

  FrameQueue(Doorbell reader, Doorbell writer);

  // The writer's. Named as in Connection.
  std::optional<ByteSpan> Claim(size_t payload);
  void Commit(const FrameHeader& header);
  // False: the queue is closed, and what was committed is lost.
  bool Flush();
  Wake ArmWriter();

  // The reader's. A frame, or nothing; `ended` tells whether anything may still come.
  std::optional<Frame> Receive(bool& ended);
  void Release();
  Wake ArmReader();

  // Any thread. What was flushed can still be received.
  void Close();

 private:
  std::byte* At(uint64_t position) { return ring_.get() + position % kCapacity; }
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return wanted_ - head_ <= kCapacity;
  }

  const std::unique_ptr<std::byte[]> ring_;

  // The writer's own.
  uint64_t staged_ = 0;
  uint64_t claim_ = 0;  // where the frame of the last claim begins

  size_t frame_size_ = 0;  // the reader's own: of the frame that awaits Release

  Mutex mutex_;
  uint64_t head_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t tail_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t wanted_ ABSL_GUARDED_BY(mutex_) = 0;  // where the frame of the last claim would end
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  Doorbell reader_ ABSL_GUARDED_BY(mutex_);
  Doorbell writer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_INPROC_FRAME_QUEUE_H_
