#include "nigh/transports/tcp/tcp_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/uninterrupted.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/stream/socket_stream.h"
#include "nigh/transports/tcp/endpoint.h"

namespace nigh {
namespace {

// Frames are flushed whole; waiting to join them with later ones only delays them.
void SendAtOnce(int socket) {
  constexpr int kOn = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &kOn, sizeof(kOn));
}

// A machine that has vanished says nothing. The kernel asks for it when nothing else is sent, and
// gives up after a minute. No TCP_USER_TIMEOUT: that would end a connection whose peer does not
// read for a while, too.
void MissSilentMachines(int socket) {
  constexpr int kOn = 1;
  constexpr int kIdleSeconds = 30;
  constexpr int kPauseSeconds = 10;
  constexpr int kQuestions = 3;
  ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &kOn, sizeof(kOn));
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &kIdleSeconds, sizeof(kIdleSeconds));
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &kPauseSeconds, sizeof(kPauseSeconds));
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &kQuestions, sizeof(kQuestions));
}

// To TCP, a peer that has closed may still be reading. Nigh closes both directions at once: a peer
// that says it will send no more does not read either, and its window will stay shut.
bool PeerHasClosed(int socket) {
  pollfd entry = {.fd = socket, .events = POLLRDHUP, .revents = 0};
  return Uninterrupted([&] { return ::poll(&entry, 1, 0); }) == 1;
}

}  // namespace

TcpStream::TcpStream(UniqueFd socket)
    : socket_(std::move(socket).KeptFromChildren()), connected_(true) {
  SendAtOnce(socket_.get());
  MissSilentMachines(socket_.get());
}

TcpStream::TcpStream(UniqueFd socket, std::vector<Endpoint> candidates)
    : socket_(std::move(socket).KeptFromChildren()),
      connected_(false),
      candidates_(std::move(candidates)) {
  SendAtOnce(socket_.get());
  MissSilentMachines(socket_.get());
}

TcpStream::~TcpStream() {
  if (!connected()) return;
  // Closing a socket that holds unread bytes makes the kernel drop what it has not sent yet.
  // The bound is more than the kernel keeps, and ends it with a peer who sends without end.
  std::byte unread[16 * 1024];
  constexpr int kMostSteps = 1024;
  for (int step = 0; step < kMostSteps; ++step) {
    if (ReadSocket(socket_.get(), ByteSpan(unread)) <= 0) break;
  }
}

ssize_t TcpStream::Read(ByteSpan to) {
  if (!connected()) {
    if (const int result = Advance(); result != 0) return result;
  }
  return ReadSocket(socket_.get(), to);
}

ssize_t TcpStream::Write(ConstByteSpan from) {
  if (!connected()) {
    if (const int result = Advance(); result != 0) return result;
  }
  return Written(WriteSocket(socket_.get(), from));
}

ssize_t TcpStream::ReadScattered(absl::Span<const ByteSpan> to) {
  return connected() ? ReadSocketScattered(socket_.get(), to) : Read(to.front());
}

ssize_t TcpStream::WriteGathered(absl::Span<const ConstByteSpan> from) {
  return connected() ? Written(WriteSocketGathered(socket_.get(), from)) : Write(from.front());
}

ssize_t TcpStream::Written(ssize_t result) const {
  return result == -EAGAIN && PeerHasClosed(socket_.get()) ? -EPIPE : result;
}

void TcpStream::Shutdown() {
  {
    // Whoever advances after this must not begin to connect anew.
    MutexLock lock(mutex_);
    if (failure_ == 0) failure_ = ECONNABORTED;
  }
  ::shutdown(socket_.get(), SHUT_RDWR);
}

int TcpStream::Advance() {
  MutexLock lock(mutex_);
  if (connected()) return 0;
  while (failure_ == 0) {
    // connect(2) again tells how the last one went, and when that failed, the next one begins anew
    // on the same socket: the descriptor that is being polled stays the same.
    const int error =
        ::connect(socket_.get(), candidates_[candidate_].get(), candidates_[candidate_].size()) == 0
            ? EISCONN
            : errno;
    if (error == EINPROGRESS || error == EALREADY) return -EAGAIN;
    if (error == EINTR) continue;
    int reason = error;
    if (error == EISCONN) {
      if (Endpoint::Local(socket_.get()) != Endpoint::Peer(socket_.get())) {
        connected_.store(true, std::memory_order_release);
        return 0;
      }
      // Nobody listens, but the system happened to give this very socket the port that it is
      // looking for, and it met itself.
      constexpr sockaddr kDisconnect = {.sa_family = AF_UNSPEC, .sa_data = {}};
      (void)::connect(socket_.get(), &kDisconnect, sizeof(kDisconnect));
      reason = ECONNREFUSED;
    }
    if (++candidate_ == candidates_.size()) failure_ = reason;
  }
  return -failure_;
}

}  // namespace nigh
