#ifndef NIGH_TRANSPORTS_STREAM_OUT_BUFFER_H_
#define NIGH_TRANSPORTS_STREAM_OUT_BUFFER_H_

#include <cassert>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "nigh/runtime/base/fifo.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/stream/byte_stream.h"
#include "nigh/transports/stream/stream_frame.h"

namespace nigh {

// What is to leave by a byte stream, frame after frame: frames that were filled in here, up to two
// of the longest, and between them payloads that lie elsewhere.
//
// One thread uses it.
class OutBuffer {
 public:
  using Parts = absl::InlinedVector<ConstByteSpan, ByteStream::kMostParts>;

  OutBuffer();

  // As Connection's functions.
  std::optional<ByteSpan> Claim(size_t payload) {
    if (!MakeRoom(kFrameHeaderSize + payload)) return std::nullopt;
    return ByteSpan(bytes_.get() + end_ + kFrameHeaderSize, payload);
  }
  void Commit(const FrameHeader& header) {
    assert(kFrameHeaderSize + header.length <= kStreamBuffer - end_);
    EncodeFrameHeader(header, bytes_.get() + end_);
    end_ += kFrameHeaderSize + header.length;
  }
  bool CommitFrom(const FrameHeader& header, ConstByteSpan payload,
                  std::shared_ptr<const void> owner);
  // As DescriptorLane's. Not with CommitFrom.
  void Attach(std::shared_ptr<const Descriptors> descriptors);
  bool HasRoomToAttach() const { return attached_.size() < kMostAttached; }

  bool empty() const { return begin_ == end_ && elsewhere_.empty(); }
  // Whether all that there is lies in one part, with no descriptors.
  bool is_plain() const { return attached_.empty() && elsewhere_.empty(); }
  ConstByteSpan plain() const { return {bytes_.get() + begin_, end_ - begin_}; }
  // What goes with the first byte of the next part; or null. Then only the first part may be
  // written.
  const Descriptors* NextDescriptors() const;
  // What is to be written next, in this order, up to where descriptors go with the next byte. It is
  // not empty.
  Parts Next() const;
  // So many bytes have been written, of the next part or parts, with the descriptors that belong to
  // the first.
  void Written(size_t count) {
    is_plain() ? void(begin_ += count) : WriteParts(count);
    if (empty()) begin_ = end_ = 0;
  }

 private:
  // What waits in the buffer with more frames is not seen to wait.
  static constexpr size_t kMostAttached = 64;
  // More than any medium takes at once would only be in the way of what comes after.
  static constexpr size_t kMostElsewhere = size_t{256} << 10;

  // What goes with the frame that begins at `at`.
  struct Attached {
    size_t at;
    std::shared_ptr<const Descriptors> descriptors;
  };
  // A payload that comes before what is at `at`.
  struct Elsewhere {
    size_t at;
    ConstByteSpan bytes;
    std::shared_ptr<const void> owner;
  };

  // Makes room for `size` bytes at the end, if there can be.
  bool MakeRoom(size_t size) { return size <= kStreamBuffer - end_ || Compact(size); }
  bool Compact(size_t size);
  void WriteParts(size_t count);

  // [begin_, end_) are in use. Starts over at 0 whenever it has run empty; see InBuffer.
  std::unique_ptr<std::byte[]> bytes_;
  size_t begin_ = 0;
  size_t end_ = 0;
  Fifo<Attached> attached_;    // in order
  Fifo<Elsewhere> elsewhere_;  // likewise
  size_t elsewhere_bytes_ = 0;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_STREAM_OUT_BUFFER_H_
