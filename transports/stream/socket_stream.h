#ifndef NIGH_TRANSPORTS_STREAM_SOCKET_STREAM_H_
#define NIGH_TRANSPORTS_STREAM_SOCKET_STREAM_H_

#include <sys/types.h>

#include <utility>

#include "nigh/transport/bytes.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/stream/byte_stream.h"

namespace nigh {

// A connected stream socket that does not block. `asked_for_senders`: it was, by AskForSenders.
class SocketStream final : public ByteStream {
 public:
  explicit SocketStream(UniqueFd socket, bool asked_for_senders = false)
      : socket_(std::move(socket).KeptFromChildren()), asks_(asked_for_senders) {}

  ssize_t Read(ByteSpan to) override;
  ssize_t Write(ConstByteSpan from) override;
  int read_fd() const override { return socket_.get(); }
  int write_fd() const override { return socket_.get(); }
  Sender TakeSender() override { return std::exchange(sender_, Sender()); }
  void Shutdown() override;

 private:
  // The first read that brings something, and who has sent it.
  ssize_t ReadFirst(ByteSpan to);

  const UniqueFd socket_;
  bool asks_;
  Sender sender_;
};

// recv(2) and send(2) with ByteStream's results.
ssize_t ReadSocket(int socket, ByteSpan to);
ssize_t WriteSocket(int socket, ConstByteSpan from);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_STREAM_SOCKET_STREAM_H_
