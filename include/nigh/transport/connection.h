#ifndef NIGH_TRANSPORT_CONNECTION_H_
#define NIGH_TRANSPORT_CONNECTION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "nigh/api.h"
#include "nigh/peer_identity.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/waiter.h"

namespace nigh {

// What a thread waits for.
enum class Interest {
  kReceive,  // a frame, or the end of the connection
  kSend,     // room for the Claim that failed last, or for bytes that Flush left behind
};

// How to sleep on a connection: poll `fd` for `events` (poll(2)). If something came while arming,
// there is no descriptor, and the thread must not sleep.
struct Wake {
  int fd = -1;
  short events = 0;
  // Whether `fd` stays readable after it has been signalled. If so, wait for it edge-triggered in
  // an epoll set, or read it.
  bool edge_triggered = false;
  // A second descriptor to poll, level-triggered, for a medium that signals frames by one
  // descriptor and the end of the connection by another. It is the same for both interests.
  int end_fd = -1;
  short end_events = 0;

  bool ready() const { return fd < 0; }
  static Wake Ready() { return Wake(); }
};

// What came of a Flush.
enum class Flushed : uint8_t {
  kAll,   // everything has left
  kSome,  // some is left behind, for want of room
  kEnded,
};

// What came of a TrimBulk.
enum class Trimmed : uint8_t {
  kAll,   // nothing is left
  kMore,  // there is more to give back
  kHeld,  // what is left is in use
};

// Bulk memory that the program has, to send what is in it, for as long as there is an owner.
struct HeldBulk {
  ByteSpan bytes;
  std::shared_ptr<const void> owner;
};

// What came of a Receive. With `ended`, no frames, now or later. With `all`, the frames are all
// that had come when the medium was looked at, so another look would be in vain. `next`, of media
// with a word for arrivals, is where the next frame will begin, or null. It is not to be read, but
// whoever looks out for that frame does well to fetch the cache lines there along with the word:
// the two then travel from the other CPU at the same time. `soon`: the peer says that it is making
// a frame, so it is worth looking out for that some 80 us instead of going to sleep. It is a hint.
struct Received {
  uint32_t frames = 0;
  bool ended = false;
  bool all = false;
  bool soon = false;
  const std::byte* next = nullptr;
};

// How descriptors travel beside the frames of a connection, in a medium that can carry them. What
// belongs together, up to kMostDescriptors, goes with one frame, and what goes with one comes with
// it.
class NIGH_API DescriptorLane {
 public:
  // Before the first frame of this side: the peer's descriptors are received from now on, and are
  // counted in `count` when they come. A peer of whom far too many are there (kFarTooMany) loses
  // the connection. Without this, none is ever received: where the kernel can refuse them
  // (SO_PASSRIGHTS, Linux 6.16), it does; elsewhere the connection ends.
  virtual void Accept(std::shared_ptr<DescriptorCount> count) = 0;

  // The sending thread's, between Claim and Commit, or after CommitBulk: these go with that frame.
  // Once they have been handed to the kernel, or the connection is no more, this side lets go of
  // them.
  virtual void Attach(std::shared_ptr<const Descriptors> descriptors) = 0;

  // The sending thread's: false while so many are attached that Flush has to be called first; if
  // that leaves some, Arm(kSend) tells when to go on.
  virtual bool HasRoom() { return true; }

  // The receiving thread's, for a frame that says that some come with it, before it is given back,
  // and for each such frame in turn: takes those that have come. Null: there are none, so the peer
  // breaks the protocol.
  virtual std::unique_ptr<Descriptors> Take() = 0;

 protected:
  ~DescriptorLane() = default;
};

// A Connection carries whole frames, in order, both ways, between two endpoints. It never blocks,
// never calls upward, and does not know what a frame means.
//
// Threads: at most one thread at a time sends (Claim, Commit, CommitFrom, AllocateBulk, HoldBulk,
// ExtendBulk, CommitBulk, FreeBulk, TrimBulk, Flush, Arm(kSend), End(kSend)), and at most one
// receives (Receive, ReceiveInto, KeepBulk, Release, Arm(kReceive), End(kReceive)). The two may
// overlap.
//
// The end of a direction is final. It concerns the whole connection, but what had arrived before is
// still received.
//
// transports/README.md numbers the promises; tests/contract holds every transport to them.
class NIGH_API Connection {
 public:
  virtual ~Connection() = default;

  // Returns room for one frame of up to `payload` bytes: at least that many contiguous bytes to
  // fill. `payload` is at most max_payload(). nullopt: there is no room now; Arm(kSend) tells when.
  // If a claim is not committed before the next one, it never happened.
  virtual std::optional<ByteSpan> Claim(size_t payload) = 0;

  // Makes a frame of the first header.length bytes of the claim; header.length is at most what was
  // claimed. Makes no system call. Only after Flush is the peer sure to see the frame.
  virtual void Commit(const FrameHeader& header) = 0;

  // Whether frames can leave from where their payloads lie: of media that copy them to the system.
  virtual bool sends_from_memory() const { return false; }
  // Makes a frame of `payload`, header.length bytes, max_payload() at most, as Commit does. They
  // stay what they are as long as `owner` is kept: until the medium has taken them all, or the
  // connection goes. False: there is no room now; Arm(kSend) tells when. No descriptors go with it.
  virtual bool CommitFrom(const FrameHeader& /*header*/, ConstByteSpan /*payload*/,
                          std::shared_ptr<const void> /*owner*/) {
    return false;
  }

  // Bytes of memory that both sides share, in which longer payloads lie; 0: the peer reads none.
  virtual size_t bulk_size() const { return 0; }
  // Memory for a payload that is longer than max_payload(), in one piece, which the peer reads
  // where it lies; of media that share memory. nullopt: there is none now, so the payload is to be
  // cut.
  // It may be filled by any thread meanwhile, and is then committed, or freed, by the sending one.
  virtual std::optional<ByteSpan> AllocateBulk(size_t /*payload*/) { return std::nullopt; }
  // Such memory for what the program fills when it likes, and sends as often as it likes: of `size`
  // bytes, longer than max_payload(). Any thread may let go of its owner, and may use the memory
  // until then, even if the connection is no more. nullopt: there is none now.
  virtual std::optional<HeldBulk> HoldBulk(size_t /*size*/) { return std::nullopt; }
  // A payload that ends with what lies at the beginning of such memory, and has room for `before`
  // bytes ahead of it: to be filled there, and committed or freed. nullopt: it lies elsewhere, or
  // the peer has it, or that is too much.
  virtual std::optional<ByteSpan> ExtendBulk(ConstByteSpan /*held*/, size_t /*before*/) {
    return std::nullopt;
  }
  // Makes a frame of all that was allocated, header.length bytes. False: there is no room for the
  // frame now, and the memory is still the caller's; Arm(kSend) tells when to try again.
  virtual bool CommitBulk(const FrameHeader& /*header*/, ByteSpan /*allocated*/) { return false; }
  virtual void FreeBulk(ByteSpan /*allocated*/) {}
  // Gives memory of AllocateBulk that is free now back to the system: a part of it, so that it
  // takes no longer than a millisecond.
  virtual Trimmed TrimBulk() { return Trimmed::kAll; }

  // Hands all committed frames to the medium. kSome: Arm for kSend, then Flush again.
  virtual Flushed Flush() = 0;

  // Looks once for what has come. Puts some or all of it into the beginning of `frames`, which is
  // not empty, in order. Headers are decoded but not validated. To be called when all frames of
  // before have been released. Frames that arrived before the peer closed come before the end.
  virtual Received Receive(absl::Span<Frame> frames) = 0;

  // Where the payloads of the PIECE frames of `call` that come next had best lie, one behind the
  // other, all of them. A medium that can receives each of them there: its payload then begins
  // where the place does, and the place goes on behind it. A payload that begins elsewhere, for it
  // had arrived already, say, leaves the place as it was: the receiver copies it there and says
  // where the next one is to be. The place stays writable until another one is said, for this or
  // another call, or none; what is in it until then is not to be read but from frames.
  virtual void ReceiveInto(uint32_t /*call*/, ByteSpan /*place*/) {}

  // Keeps `bytes`, which are of the payload of a frame that has not been given back, in the peer's
  // bulk memory, for as long as there is a copy of what this returns. Any thread may let go of it,
  // even when the connection is no more. Null: they lie elsewhere, or much is kept already, so they
  // are to be copied.
  virtual std::shared_ptr<const void> KeepBulk(ConstByteSpan /*bytes*/) { return nullptr; }

  // Gives back the payloads of the oldest `count` frames that have not been given back.
  virtual void Release(size_t count) = 0;

  // Says why a direction has ended. UNAVAILABLE: the peer or the medium is gone. INTERNAL: the peer
  // breaks the framing. PERMISSION_DENIED, RESOURCE_EXHAUSTED: the server refuses this client.
  // Begins with the address. OK if it has not ended. Not for the fast path: it may wait for some
  // milliseconds, until the system can say how the peer died.
  virtual absl::Status End(Interest direction) const = 0;

  // A word in memory that changes whenever a frame comes, for whoever looks out for the next one:
  // as long as it has the value that it had before a Receive that has found nothing, or all,
  // another one is in vain. Null: the medium has none, or not yet; else it is the same for the life
  // of the connection. It is a hint, and the peer may write it. It need not tell of the end.
  virtual const std::atomic<uint64_t>* arrivals() const { return nullptr; }

  // Prepares to sleep. For kReceive: call it when Receive has found nothing, or all. For kSend:
  // call it when Flush has left something behind, or when a claim fails even after a Flush, which
  // may itself make room. The descriptor is the same for the life of the connection, one for each
  // interest or one for both. It stays quiet until there is something to do; the end of the
  // connection is something.
  virtual Wake Arm(Interest interest) = 0;

  // What an empty Receive costs. The wait policy depends on it.
  virtual Waiter::PollCost poll_cost() const = 0;

  // Ends the connection. Any thread may call this, any number of times. Both sides wake and see the
  // end. The peer first receives the frames that were flushed. This side sees the end at once, or
  // after the frames that it has taken in already.
  virtual void Close() = 0;

  // The most bytes in one frame's payload, at least kMinMaxPayload. The layer above cuts longer
  // payloads into several frames.
  virtual size_t max_payload() const = 0;

  // The most bytes in a payload that comes in one frame: more than max_payload() where the peer has
  // bulk memory that this side reads. A connection around another one must pass this on. The
  // receiving thread's.
  virtual size_t max_received_payload() const { return max_payload(); }

  // How descriptors travel with frames; null where they cannot.
  virtual DescriptorLane* descriptors() { return nullptr; }

  // Who is at the other end. A client may learn that with the first frame: until then it is who
  // listened, and only the receiving thread may ask.
  virtual const PeerIdentity& peer() const = 0;
};

// The least max_payload(), in bytes. A hello and the longest method name must each fit one frame.
inline constexpr size_t kMinMaxPayload = 256;

}  // namespace nigh

#endif  // NIGH_TRANSPORT_CONNECTION_H_
