#ifndef NIGH_RUNTIME_CALL_ASSEMBLER_H_
#define NIGH_RUNTIME_CALL_ASSEMBLER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "nigh/transport/frame.h"

namespace nigh {

// Puts payloads that were cut to fit the medium together again. Each call has at most one
// unfinished payload at a time. Used by the one thread that receives.
class Assembler {
 public:
  struct Whole {
    FrameHeader header;  // of the first piece, with length and rest as if it had not been cut
    std::string payload;
  };

  // A frame that is no piece has come for its call. A message that is unfinished is abandoned if
  // the frame opens or ends the call; INTERNAL if anything else is unfinished, for the frames of a
  // call keep their order.
  absl::Status Interrupt(const FrameHeader& header) {
    return unfinished_.empty() ? absl::OkStatus() : InterruptUnfinished(header);
  }

  // The first piece: a frame with a rest. INTERNAL when the call's payload before it is unfinished.
  absl::Status Begin(const Frame& first);

  // A kPiece frame: the whole payload if this was the last piece. A piece of a payload that was not
  // begun or has been abandoned yields nothing. INTERNAL when it does not continue what came
  // before.
  absl::StatusOr<std::optional<Whole>> Add(const Frame& piece);

  // A payload that Add has yielded, once it has been read: its memory serves the next.
  void GiveBack(std::string& payload);

  // The call's unfinished payload, if any, will not be finished.
  void Abandon(uint32_t call) {
    if (!unfinished_.empty()) unfinished_.erase(call);
  }

  // The kind of frame that the call's unfinished payload began with, if there is one.
  std::optional<FrameKind> Unfinished(uint32_t call) const;

 private:
  absl::Status InterruptUnfinished(const FrameHeader& header);

  absl::flat_hash_map<uint32_t, Whole> unfinished_;  // header.rest: bytes still to come
  std::string spare_;                                // empty
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_ASSEMBLER_H_
