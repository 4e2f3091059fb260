#ifndef NIGH_RUNTIME_CALL_PIECE_STREAM_H_
#define NIGH_RUNTIME_CALL_PIECE_STREAM_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "google/protobuf/io/zero_copy_stream.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"

namespace nigh {

// The header of the piece that begins at `sent` of a payload of `size` bytes.
inline FrameHeader PieceHeader(const FrameHeader& first, size_t sent, size_t piece, size_t size) {
  FrameHeader header =
      sent == 0 ? first : FrameHeader{.kind = FrameKind::kPiece, .call = first.call};
  header.length = static_cast<uint32_t>(piece);
  header.rest = static_cast<uint32_t>(size - sent - piece);
  return header;
}

// Takes a long message from the serialiser. It claims pieces from the connection, each of which
// leaves when it is full. Once there is no room, or somebody else wants to send, it takes memory
// for the rest.
class PieceStream final : public google::protobuf::io::ZeroCopyOutputStream {
 public:
  // A piece has up to `most` bytes. `gives_way` says that somebody else wants to send. `buffer` has
  // memory for the whole payload, so that the rest has its place at the same offset, and is told
  // how much has left; the connection is not used any more after that.
  PieceStream(Connection& connection, const FrameHeader& header, size_t size, size_t most,
              absl::FunctionRef<bool()> gives_way, absl::FunctionRef<std::byte*(size_t)> buffer)
      : connection_(connection),
        header_(header),
        size_(size),
        most_(std::min(most, connection.max_payload())),
        gives_way_(gives_way),
        buffer_(buffer) {}

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
    const size_t piece = std::min(left, most_);
    std::optional<ByteSpan> claim;
    // Not before the first piece, so that REQUESTs leave in order.
    if (begun_ == 0 || !gives_way_()) claim = connection_.Claim(piece);
    if (claim.has_value()) {
      *data = claim->data();
      claimed_ = piece;
      begun_ += piece;
      *size = static_cast<int>(piece);
    } else {
      rest_ = buffer_(begun_);
      *data = rest_ + begun_;
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
  // How many bytes have been committed; the buffer holds the rest.
  size_t sent() const { return begun_; }

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
  const size_t most_;
  const absl::FunctionRef<bool()> gives_way_;
  const absl::FunctionRef<std::byte*(size_t)> buffer_;
  size_t begun_ = 0;                // bytes of the payload for which pieces have been claimed
  size_t claimed_ = 0;              // bytes of the last piece, while it is not committed
  std::byte* given_end_ = nullptr;  // end of the memory that Next gave; null: that was scratch_
  size_t unused_ = 0;               // bytes before given_end_ that the serialiser has given back
  std::byte* rest_ = nullptr;
  absl::Status status_;
  std::array<std::byte, 64> scratch_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_PIECE_STREAM_H_
