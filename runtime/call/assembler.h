#ifndef NIGH_RUNTIME_CALL_ASSEMBLER_H_
#define NIGH_RUNTIME_CALL_ASSEMBLER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/payload_buffer.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"

namespace nigh {

// Reassembles payloads that were cut to fit the medium, each in one buffer, whose size the first
// piece tells. The connection is told where that is, and may receive the other pieces right there;
// those that it has received elsewhere are copied. Each call has at most one unfinished payload at
// a time. Only the thread that receives may use it.
class Assembler {
 public:
  struct Whole {
    FrameHeader header;  // of the first piece, with length and rest as if it had not been cut
    PayloadBuffer payload;
    size_t announced = 0;     // bytes of all pieces, or more, if taken
    FrameExtras extras = {};  // that came with the first
  };

  // `connection` must outlive it.
  explicit Assembler(Connection& connection) : connection_(connection) {}
  ~Assembler() { WithdrawPlace(); }
  Assembler(const Assembler&) = delete;
  Assembler& operator=(const Assembler&) = delete;

  // Must be told of every frame of a call that is no piece. If the frame opens or ends the call, an
  // unfinished message of the call is abandoned. Fails with INTERNAL if anything else is
  // unfinished, for the frames of a call keep their order.
  absl::Status Interrupt(const FrameHeader& header) {
    return unfinished_.empty() ? absl::OkStatus() : InterruptUnfinished(header);
  }

  // Adds a first piece: a frame with a rest. Fails with INTERNAL when the call's payload before it
  // is unfinished, with RESOURCE_EXHAUSTED when the system has no memory. `extras` have come with
  // it.
  absl::Status Begin(const Frame& first, FrameExtras extras = {});

  // Adds a kPiece frame. Returns the whole payload if this was the last piece, else nothing.
  // Ignores a piece of a payload that was not begun or has been abandoned. Fails with INTERNAL when
  // the piece does not continue what came before.
  absl::StatusOr<std::optional<Whole>> Add(const Frame& piece);

  // Gives back a payload that Add has returned and that has been read. Its memory serves the next
  // of about that length, until Trim. False: it is not kept, for what is there is as long.
  bool GiveBack(PayloadBuffer& payload);
  void Trim() { spare_ = PayloadBuffer(); }

  // Drops the call's unfinished payload, if there is one.
  void Abandon(uint32_t call) {
    if (!unfinished_.empty()) Erase(call);
  }

  // Bytes that the unfinished payloads have announced, or take.
  size_t announced() const { return announced_; }
  // Bytes that serve the next.
  size_t spare() const { return spare_.capacity(); }

  // The kind of frame that the call's unfinished payload began with, if there is one.
  std::optional<FrameKind> Unfinished(uint32_t call) const;

 private:
  absl::Status InterruptUnfinished(const FrameHeader& header);
  void Erase(uint32_t call);
  // Tells the connection where the pieces that come next are to go, or that they go nowhere.
  void AnnouncePlace(uint32_t call, ByteSpan place) {
    connection_.ReceiveInto(call, place);
    placing_ = true;
  }
  void WithdrawPlace() {
    if (std::exchange(placing_, false)) connection_.ReceiveInto(0, {});
  }

  Connection& connection_;
  bool placing_ = false;                             // the connection knows a place
  absl::flat_hash_map<uint32_t, Whole> unfinished_;  // by call; header.rest: bytes still to come
  size_t announced_ = 0;
  PayloadBuffer spare_;  // empty, for its capacity
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_ASSEMBLER_H_
