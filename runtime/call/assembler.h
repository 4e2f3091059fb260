#ifndef NIGH_RUNTIME_CALL_ASSEMBLER_H_
#define NIGH_RUNTIME_CALL_ASSEMBLER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/transport/frame.h"

namespace nigh {

// Reassembles payloads that were cut to fit the medium. Each call has at most one unfinished
// payload at a time. Only the thread that receives may use it.
class Assembler {
 public:
  struct Whole {
    FrameHeader header;  // of the first piece, with length and rest as if it had not been cut
    std::string payload;
    size_t announced = 0;     // bytes of all pieces, or more, if taken
    FrameExtras extras = {};  // that came with the first
  };

  // Must be told of every frame of a call that is no piece. If the frame opens or ends the call, an
  // unfinished message of the call is abandoned. Fails with INTERNAL if anything else is
  // unfinished, for the frames of a call keep their order.
  absl::Status Interrupt(const FrameHeader& header) {
    return unfinished_.empty() ? absl::OkStatus() : InterruptUnfinished(header);
  }

  // Adds a first piece: a frame with a rest. Fails with INTERNAL when the call's payload before it
  // is unfinished. `extras` have come with it.
  absl::Status Begin(const Frame& first, FrameExtras extras = {});

  // Adds a kPiece frame. Returns the whole payload if this was the last piece, else nothing.
  // Ignores a piece of a payload that was not begun or has been abandoned. Fails with INTERNAL when
  // the piece does not continue what came before.
  absl::StatusOr<std::optional<Whole>> Add(const Frame& piece);

  // Gives back a payload that Add has returned and that has been read. Its memory serves the next
  // of about that length, until Trim. False: it is not kept, for what is there is as long.
  bool GiveBack(std::string& payload);
  void Trim() { std::string().swap(spare_); }  // which an assignment would not free

  // Drops the call's unfinished payload, if there is one.
  void Abandon(uint32_t call) {
    if (!unfinished_.empty()) Erase(call);
  }

  // Bytes that the unfinished payloads have announced, or take.
  size_t announced() const { return announced_; }
  // Bytes that serve the next.
  size_t spare() const {
    // A string that has allocated nothing has room for some.
    const size_t spare = spare_.capacity();
    return spare > std::string().capacity() ? spare : 0;
  }

  // The kind of frame that the call's unfinished payload began with, if there is one.
  std::optional<FrameKind> Unfinished(uint32_t call) const;

 private:
  absl::Status InterruptUnfinished(const FrameHeader& header);
  void Erase(uint32_t call);

  absl::flat_hash_map<uint32_t, Whole> unfinished_;  // by call; header.rest: bytes still to come
  size_t announced_ = 0;
  std::string spare_;  // empty, for its capacity
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_ASSEMBLER_H_
