#ifndef NIGH_TRANSPORT_CONNECTION_H_
#define NIGH_TRANSPORT_CONNECTION_H_

#include <cstddef>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/peer_identity.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/waiter.h"

namespace nigh {

// What a thread waits for.
enum class Interest {
  kReceive,  // a frame, or the end of the connection
  kSend,     // room for the Claim that failed last, or for bytes that Flush left behind
};

// What to do before going to sleep on a connection: poll `fd` for `events` (poll(2)), or not sleep
// at all because something came while arming.
struct Wake {
  int fd = -1;
  short events = 0;
  // `fd` stays readable after it has been signalled: wait for it edge-triggered in an epoll set, or
  // read it.
  bool edge_triggered = false;
  // A medium that tells of frames by one descriptor and of its end by another: to be polled as
  // well, level-triggered. It is the same for both interests.
  int end_fd = -1;
  short end_events = 0;

  bool ready() const { return fd < 0; }
  static Wake Ready() { return Wake(); }
};

// A Connection carries whole frames, in order, both ways, between two endpoints. Nothing here
// blocks, calls upward, or knows what a frame means. At most one thread sends (Claim, Commit,
// Flush, Arm(kSend)) and at most one receives (Receive, Release, Arm(kReceive)) at a time; the two
// may overlap. transports/README.md numbers the promises; tests/contract holds every transport to
// them.
//
// Errors are of the connection as a whole and final: UNAVAILABLE when the peer or the medium is
// gone, INTERNAL when the peer breaks the framing. Messages begin with the address.
class Connection {
 public:
  virtual ~Connection() = default;

  // Room for one frame of up to `payload` bytes, payload <= max_payload(): at least that many
  // contiguous bytes to fill. `std::nullopt`: no room now, Arm(kSend) tells when. A claim that is
  // not committed before the next one never happened.
  virtual std::optional<ByteSpan> Claim(size_t payload) = 0;

  // Makes a frame of the first header.length bytes of the claim, header.length <= what was claimed.
  // No system call; the peer may see it only after Flush.
  virtual void Commit(const FrameHeader& header) = 0;

  // Hands what was committed to the medium. True: all of it. False: Arm(kSend), then Flush again.
  virtual absl::StatusOr<bool> Flush() = 0;

  // The next frame, its header decoded but not validated, or nothing for now. Frames that arrived
  // before the peer closed come before the error that says so.
  virtual absl::StatusOr<std::optional<Frame>> Receive() = 0;

  // Gives back the bytes of the frame that Receive returned last.
  virtual void Release() = 0;

  // To be called before sleeping: for kReceive when Receive has returned nothing; for kSend when
  // Flush has left something behind, or when a claim fails even after a Flush, which may itself
  // make room. The descriptor is the same for the life of the connection, one for each interest or
  // one for both; it stays quiet until there is something, an end of the connection included.
  virtual Wake Arm(Interest interest) = 0;

  // What an empty Receive costs; the wait policy goes by it.
  virtual Waiter::PollCost poll_cost() const = 0;

  // Any thread, any number of times. Both sides wake and see the end: the peer after the frames
  // that were flushed, which still reach it; this side at once, or after the frames that it has
  // taken in already.
  virtual void Close() = 0;

  // Bytes; longer payloads are cut above. At least kMinMaxPayload.
  virtual size_t max_payload() const = 0;

  virtual const PeerIdentity& peer() const = 0;
};

// A hello and the longest method name must fit one frame uncut.
inline constexpr size_t kMinMaxPayload = 256;

}  // namespace nigh

#endif  // NIGH_TRANSPORT_CONNECTION_H_
