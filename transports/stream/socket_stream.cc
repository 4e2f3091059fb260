#include "nigh/transports/stream/socket_stream.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>

#include "nigh/transport/bytes.h"

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

ssize_t SocketStream::Read(ByteSpan to) { return ReadSocket(socket_.get(), to); }

ssize_t SocketStream::Write(ConstByteSpan from) { return WriteSocket(socket_.get(), from); }

void SocketStream::Shutdown() { ::shutdown(socket_.get(), SHUT_RDWR); }

}  // namespace nigh
