#ifndef NIGH_TRANSPORTS_STREAM_IN_BUFFER_H_
#define NIGH_TRANSPORTS_STREAM_IN_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>

#include "absl/container/inlined_vector.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/stream/stream_frame.h"

namespace nigh {

// What has come of a byte stream, frame after frame, up to two of the longest. A frame's payload is
// read where it has come to lie; but pieces of a payload for which the receiver has a place (Place)
// are read into that place, with no copy between.
//
// A read that is to bring pieces goes to three places: the rest of this piece, the next one's
// header, and the next one's payload, as if it were sure to be one. If it is another frame instead,
// its bytes are moved from there.
//
// One thread uses it.
class InBuffer {
 public:
  using Parts = absl::InlinedVector<ByteSpan, 3>;

  InBuffer();

  // Whether nothing is there, not even the beginning of a frame.
  bool empty() const { return begin_ == end_; }
  // What is there of the next frames, but for what is in the place.
  ConstByteSpan bytes() const { return {bytes_.get() + begin_, end_ - begin_}; }
  void Clear() {
    begin_ = end_ = placed_ = ahead_ = 0;
    in_place_ = false;
  }

  // How long the payload of the next frame is, as soon as that is known. It may be too long.
  std::optional<size_t> NextLength() const {
    if (end_ - begin_ < kLengthSize) return std::nullopt;
    return LoadLittle<uint32_t>(bytes_.get() + begin_);
  }
  // Whether the next frame is there, whose payload has `length` bytes.
  bool HasWhole(size_t length) const {
    return in_place_ ? placed_ == length : end_ - begin_ >= kFrameHeaderSize + length;
  }
  // Whether the next frame's payload is in the place, or is to be. At most one such frame may be
  // taken before the receiver says where the next is to be.
  bool next_is_in_place() const { return in_place_; }
  // Takes the next frame, which is there. Its payload stays as it is until the next Room.
  Frame Take() {
    if (in_place_) return TakeInPlace();
    const FrameHeader header = DecodeFrameHeader(bytes_.get() + begin_);
    const std::byte* const payload = bytes_.get() + begin_ + kFrameHeaderSize;
    begin_ += kFrameHeaderSize + header.length;
    return {.header = header, .payload = ConstByteSpan(payload, header.length)};
  }

  // Where the next bytes of the stream are to go, in this order; none of the parts is empty. Frames
  // that have been taken are forgotten, and there is no whole one. Without a place there is one
  // part, Tail.
  Parts Room();
  bool has_place() const { return !place_.empty(); }
  ByteSpan Tail() {
    Compact();
    return {bytes_.get() + end_, kStreamBuffer - end_};
  }
  // So many bytes have been read into that.
  void Filled(size_t count) { has_place() ? FillParts(count) : void(end_ += count); }

  // As Connection::ReceiveInto.
  void Place(uint32_t call, ByteSpan place);

 private:
  // The length comes first in a header, so that a stranger who never sends 24 bytes is recognised
  // by four.
  static constexpr size_t kLengthSize = sizeof(uint32_t);

  // Makes [end_, kStreamBuffer) as long as it can be. What is left is the beginning of one frame at
  // most, and one move of it a read.
  void Compact() {
    if (begin_ == 0) return;
    if (begin_ != end_) std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  Frame TakeInPlace();
  void FillParts(size_t count);
  // Whether the header is there of a frame that belongs into the place.
  bool NextBelongsInPlace() const;
  // The next frame, of which `ahead` bytes of payload, and of what follows, have been read into the
  // place: leaves there what belongs there, and moves the rest.
  void SettleAhead(size_t ahead);
  void Append(ConstByteSpan bytes);

  // [begin_, end_) are in use. Starts over at 0 whenever it has run empty: a connection that
  // carries small frames touches the first page alone, and the rest never becomes resident.
  std::unique_ptr<std::byte[]> bytes_;
  size_t begin_ = 0;
  size_t end_ = 0;

  uint32_t call_ = 0;
  ByteSpan place_;         // for the payload of the next piece of that call; empty: there is none
  bool in_place_ = false;  // the next frame's payload is there, and only its header here
  size_t placed_ = 0;      // so many bytes of it
  size_t ahead_ = 0;       // bytes that are behind it, of the frame after that
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_STREAM_IN_BUFFER_H_
