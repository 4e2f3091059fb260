#ifndef NIGH_TRANSPORTS_STREAM_BYTE_STREAM_H_
#define NIGH_TRANSPORTS_STREAM_BYTE_STREAM_H_

#include <poll.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/types/span.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transports/process/peer_credentials.h"

namespace nigh {

// Bytes in order, both ways, without any boundary between them: all that a socket, a pair of pipes
// or a terminal line needs to offer in order to carry frames (stream_connection.h). Nothing here
// blocks. One thread reads and one writes at a time; the two may overlap.
class ByteStream {
 public:
  static constexpr size_t kMostParts = 16;

  virtual ~ByteStream() = default;

  // Reads into `to`, which is not empty. More than 0: so many bytes; 0: the peer has closed;
  // -EAGAIN: nothing now; another negative number: -errno, and the stream is of no more use;
  // -EPROTO: because descriptors have come that nobody has asked for.
  virtual ssize_t Read(ByteSpan to) = 0;

  // Writes from `from`, which is not empty. More than 0: so many bytes; -EAGAIN: no room now;
  // another negative number: -errno, and the stream is of no more use. Raises no signal.
  virtual ssize_t Write(ConstByteSpan from) = 0;

  // Whether long payloads are best moved from and to where they belong, several parts of memory in
  // one system call; the next two are for streams of which this is so. Of pipes it is not: a pipe
  // is locked while it is read or written, and memory outside the cache would keep it so for
  // longer.
  virtual bool is_vectored() const { return false; }
  // As Read and Write, with up to kMostParts parts, none of them empty, one after the other. It may
  // leave it at the first.
  virtual ssize_t ReadScattered(absl::Span<const ByteSpan> to) { return Read(to.front()); }
  virtual ssize_t WriteGathered(absl::Span<const ConstByteSpan> from) {
    return Write(from.front());
  }

  // False until the stream has been established: an error is then one of connecting.
  virtual bool connected() const { return true; }

  // What to poll for readability and for room; valid for the life of the stream.
  virtual int read_fd() const = 0;
  virtual int write_fd() const = 0;
  // The events, besides errors, after which a Write that found no room should be tried again.
  virtual short write_events() const { return POLLOUT; }

  // Where Shutdown does not make the descriptors above readable: one that it does (Wake::end_fd).
  virtual int end_fd() const { return -1; }

  // Any thread, any number of times. Ends both directions on both sides and wakes who polls; what
  // was written still reaches the peer.
  virtual void Shutdown() = 0;

  // After the first Read that has brought bytes, by the same thread: who has sent them, if the
  // medium tells and it was asked to. Once.
  virtual Sender TakeSender() { return Sender(); }

  // Whether descriptors can go with bytes; the next three are for streams of which this is so.
  virtual bool carries_descriptors() const { return false; }
  // Before the first Read: they are received from now on, from that user as far as is known.
  virtual void AcceptDescriptors(std::optional<uid_t> /*peer*/) {}
  // As Write. `descriptors` go with the first byte, if any is written.
  virtual ssize_t WriteWith(ConstByteSpan from, const Descriptors& /*descriptors*/) {
    return Write(from);
  }
  // After each Read that has brought bytes, by the same thread: what came with one of them. Null:
  // nothing did.
  virtual std::unique_ptr<Descriptors> TakeDescriptors() { return nullptr; }

  // After a Read of 0 or a Write of -EPIPE: what happened, if the medium knows more than that.
  virtual std::optional<std::string> PeerEnd() { return std::nullopt; }
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_STREAM_BYTE_STREAM_H_
