#include "nigh/transports/stream/socket_stream.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/types/span.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/stream/passed_descriptors.h"
#include "nigh/transports/stream/vectors.h"

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

ssize_t ReadSocketScattered(int socket, absl::Span<const ByteSpan> to) {
  Vectors<ByteSpan> parts(to);
  for (;;) {
    const ssize_t count = ::syscall(SYS_readv, socket, parts.data(), parts.size());
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

ssize_t WriteSocketGathered(int socket, absl::Span<const ConstByteSpan> from) {
  Vectors<ConstByteSpan> parts(from);
  msghdr message = {};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  for (;;) {
    const ssize_t count = ::syscall(SYS_sendmsg, socket, &message, MSG_NOSIGNAL);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

namespace {

// As much as a process may have that has no privileges, where nobody has raised that; the kernel
// doubles it. That is twice what a socket has by default, which a long message fills while the
// other side takes 64 KiB out: then both sleep and wake by turns, and 1 MiB takes 1.25 times as
// long.
void EnlargeSendBuffer(int socket) {
  constexpr int kSize = 212'992;
  int size = 0;
  socklen_t length = sizeof(size);
  if (::getsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, &length) == 0 && size < 2 * kSize) {
    (void)::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &kSize, sizeof(kSize));
  }
}

}  // namespace

SocketStream::SocketStream(UniqueFd socket, bool asked_for_senders)
    : socket_(std::move(socket).KeptFromChildren()),
      refuses_(PassDescriptors(socket_.get(), false)),
      asks_(asked_for_senders),
      plain_(refuses_ && !asks_) {
  EnlargeSendBuffer(socket_.get());
}

SocketStream::~SocketStream() {
  // A fork's copy closes nothing that its parent has open.
  if ((refuses_ && !accepts_) || !birth_.is_this()) return;
  Shutdown();
  CloseElsewhere(peer_, std::move(socket_));
}

ssize_t SocketStream::Read(ByteSpan to) {
  return plain_ ? ReadSocket(socket_.get(), to) : ReadMessage(absl::MakeConstSpan(&to, 1));
}

ssize_t SocketStream::ReadScattered(absl::Span<const ByteSpan> to) {
  return plain_ ? ReadSocketScattered(socket_.get(), to) : ReadMessage(to);
}

ssize_t SocketStream::ReadMessage(absl::Span<const ByteSpan> to) {
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

ssize_t SocketStream::WriteGathered(absl::Span<const ConstByteSpan> from) {
  return WriteSocketGathered(socket_.get(), from);
}

void SocketStream::Shutdown() { ::shutdown(socket_.get(), SHUT_RDWR); }

}  // namespace nigh
