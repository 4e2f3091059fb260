#ifndef NIGH_TRANSPORTS_STREAM_SOCKET_STREAM_H_
#define NIGH_TRANSPORTS_STREAM_SOCKET_STREAM_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <utility>

#include "absl/types/span.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/stream/byte_stream.h"

namespace nigh {

// A connected Unix socket of stream type that does not block. `asked_for_senders`: it was, by
// AskForSenders.
class SocketStream final : public ByteStream {
 public:
  explicit SocketStream(UniqueFd socket, bool asked_for_senders = false);
  ~SocketStream() override;

  ssize_t Read(ByteSpan to) override;
  ssize_t Write(ConstByteSpan from) override;
  bool is_vectored() const override { return true; }
  ssize_t ReadScattered(absl::Span<const ByteSpan> to) override;
  ssize_t WriteGathered(absl::Span<const ConstByteSpan> from) override;
  int read_fd() const override { return socket_.get(); }
  int write_fd() const override { return socket_.get(); }
  Sender TakeSender() override { return std::exchange(sender_, Sender()); }
  void Shutdown() override;
  bool carries_descriptors() const override { return true; }
  void AcceptDescriptors(std::optional<uid_t> peer) override;
  ssize_t WriteWith(ConstByteSpan from, const Descriptors& descriptors) override;
  std::unique_ptr<Descriptors> TakeDescriptors() override { return std::move(descriptors_); }

 private:
  // Reads, and takes what comes besides: at first who has sent it, and descriptors.
  ssize_t ReadMessage(absl::Span<const ByteSpan> to);

  const BirthProcess birth_;
  UniqueFd socket_;
  const bool refuses_;  // the kernel refuses descriptors, until they are accepted
  bool asks_;
  bool accepts_ = false;  // descriptors
  std::optional<uid_t> peer_;
  bool plain_;  // there is nothing but bytes to be read
  Sender sender_;
  std::unique_ptr<Descriptors> descriptors_;  // of the last read
};

// recv(2) and send(2) with ByteStream's results.
ssize_t ReadSocket(int socket, ByteSpan to);
ssize_t WriteSocket(int socket, ConstByteSpan from);
ssize_t ReadSocketScattered(int socket, absl::Span<const ByteSpan> to);
ssize_t WriteSocketGathered(int socket, absl::Span<const ConstByteSpan> from);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_STREAM_SOCKET_STREAM_H_
