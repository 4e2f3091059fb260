#include "nigh/transports/stream/socket_stream.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <utility>

#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/stream/passed_descriptors.h"

namespace nigh {

// Not recv(2) and send(2): in a process with threads the C library brackets these by some forty
// instructions each, for threads that are cancelled (pthread_cancel), which nobody can want here.

ssize_t ReadSocket(int socket, ByteSpan to) {
  for (;;) {
    const ssize_t count =
        ::syscall(SYS_recvfrom, socket, to.data(), to.size(), 0, nullptr, nullptr);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

ssize_t WriteSocket(int socket, ConstByteSpan from) {
  for (;;) {
    const ssize_t count =
        ::syscall(SYS_sendto, socket, from.data(), from.size(), MSG_NOSIGNAL, nullptr, 0);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

SocketStream::SocketStream(UniqueFd socket, bool asked_for_senders)
    : socket_(std::move(socket).KeptFromChildren()),
      refuses_(PassDescriptors(socket_.get(), false)),
      asks_(asked_for_senders),
      plain_(refuses_ && !asks_) {}

SocketStream::~SocketStream() {
  // A fork's copy closes nothing that its parent has open.
  if ((refuses_ && !accepts_) || !birth_.is_this()) return;
  Shutdown();
  CloseElsewhere(peer_, std::move(socket_));
}

ssize_t SocketStream::Read(ByteSpan to) {
  return plain_ ? ReadSocket(socket_.get(), to) : ReadMessage(to);
}

ssize_t SocketStream::ReadMessage(ByteSpan to) {
  ReceivedMessage received = ReceiveMessage(socket_.get(), to);
  if (received.size < 0) return received.size;
  descriptors_ = std::move(received.descriptors);
  // Nobody has asked for them.
  if (descriptors_ != nullptr && !accepts_) return -EPROTO;
  if (asks_) {
    asks_ = false;
    sender_ = std::move(received.sender);
    AskForSenders(socket_.get(), false);
    plain_ = refuses_ && !accepts_;
  }
  return received.size;
}

void SocketStream::AcceptDescriptors(std::optional<uid_t> peer) {
  peer_ = peer;
  (void)PassDescriptors(socket_.get(), true);
  accepts_ = true;
  plain_ = false;
}

ssize_t SocketStream::WriteWith(ConstByteSpan from, const Descriptors& descriptors) {
  return SendWithDescriptors(socket_.get(), from, descriptors);
}

ssize_t SocketStream::Write(ConstByteSpan from) { return WriteSocket(socket_.get(), from); }

void SocketStream::Shutdown() { ::shutdown(socket_.get(), SHUT_RDWR); }

}  // namespace nigh
