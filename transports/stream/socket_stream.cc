#include "nigh/transports/stream/socket_stream.h"

#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>

#include "nigh/wire/bytes.h"

namespace nigh {

ssize_t ReadSocket(int socket, ByteSpan to) {
  for (;;) {
    const ssize_t count = ::recv(socket, to.data(), to.size(), 0);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

ssize_t WriteSocket(int socket, ConstByteSpan from) {
  for (;;) {
    const ssize_t count = ::send(socket, from.data(), from.size(), MSG_NOSIGNAL);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

ssize_t SocketStream::Read(ByteSpan to) { return ReadSocket(socket_.get(), to); }

ssize_t SocketStream::Write(ConstByteSpan from) { return WriteSocket(socket_.get(), from); }

void SocketStream::Shutdown() { ::shutdown(socket_.get(), SHUT_RDWR); }

}  // namespace nigh
