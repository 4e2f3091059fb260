#ifndef NIGH_TRANSPORTS_INPROC_FRAME_QUEUE_H_
#define NIGH_TRANSPORTS_INPROC_FRAME_QUEUE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/types/span.h"
#include "nigh/mutex.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/descriptors.h"
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

  void Put(std::unique_ptr<Descriptors> descriptors) ABSL_LOCKS_EXCLUDED(mutex_);

  // The reader's. Named as in Connection.
  Received Receive(absl::Span<Frame> frames);
  void Release(size_t count);
  Wake ArmReader();
  // What was put longest ago, or null.
  std::unique_ptr<Descriptors> TakeDescriptors() ABSL_LOCKS_EXCLUDED(mutex_);

  // Changes with every flush. For the reader that looks out.
  const std::atomic<uint64_t>& flushes() const { return flushes_; }

  // Any thread. What was flushed can still be received.
  void Close();
  bool closed() const {
    MutexLock lock(mutex_);
    return closed_;
  }

 private:
  std::byte* At(uint64_t position) { return ring_.get() + position % kCapacity; }
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return wanted_ - head_ <= kCapacity;
  }

  const std::unique_ptr<std::byte[]> ring_;

  // The writer's own.
  uint64_t staged_ = 0;
  uint64_t claim_ = 0;  // where the frame of the last claim begins

  // The reader's own: where the frames that were received last end, and how many of them have been
  // released.
  static constexpr size_t kMaxFrames = 16;
  std::array<uint64_t, kMaxFrames> ends_ = {};
  size_t received_ = 0;
  size_t released_ = 0;

  std::atomic<uint64_t> flushes_ = 0;

  mutable Mutex mutex_;
  uint64_t head_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t tail_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t wanted_ ABSL_GUARDED_BY(mutex_) = 0;  // where the frame of the last claim would end
  std::deque<std::unique_ptr<Descriptors>> descriptors_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  Doorbell reader_ ABSL_GUARDED_BY(mutex_);
  Doorbell writer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_INPROC_FRAME_QUEUE_H_
