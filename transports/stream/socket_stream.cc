#include "nigh/transports/stream/socket_stream.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "nigh/transport/bytes.h"
#include "nigh/transports/process/peer_credentials.h"

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

ssize_t SocketStream::Read(ByteSpan to) {
  return asks_ ? ReadFirst(to) : ReadSocket(socket_.get(), to);
}

// Descriptors that nobody has asked for.
void CloseRights(msghdr& message) {
  for (cmsghdr* entry = CMSG_FIRSTHDR(&message); entry != nullptr;
       entry = CMSG_NXTHDR(&message, entry)) {
    if (entry->cmsg_level != SOL_SOCKET || entry->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= entry->cmsg_len; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(entry) + at, sizeof(fd));
      ::close(fd);
    }
  }
}

ssize_t SocketStream::ReadFirst(ByteSpan to) {
  iovec part = {.iov_base = to.data(), .iov_len = to.size()};
  alignas(cmsghdr) std::array<std::byte, kSenderSpace> control = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t count;
  do {
    count = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return -errno;
  asks_ = false;
  sender_ = SenderOf(message);
  CloseRights(message);
  AskForSenders(socket_.get(), false);
  return count;
}

ssize_t SocketStream::Write(ConstByteSpan from) { return WriteSocket(socket_.get(), from); }

void SocketStream::Shutdown() { ::shutdown(socket_.get(), SHUT_RDWR); }

}  // namespace nigh
