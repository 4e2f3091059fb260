#include "nigh/transports/unix/unix.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/base/deadline.h"
#include "nigh/base/errno_status.h"
#include "nigh/base/unique_fd.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transports/stream/byte_stream.h"
#include "nigh/transports/stream/socket_acceptor.h"
#include "nigh/transports/stream/socket_stream.h"
#include "nigh/transports/stream/stream_connection.h"
#include "nigh/transports/unix/peer_credentials.h"
#include "nigh/transports/unix/socket_file.h"
#include "nigh/transports/unix/socket_name.h"

namespace nigh {
namespace {

// How long to queue for a place in the server's queue. A server that is alive empties it in far
// less; one that is frozen must not freeze its clients.
constexpr absl::Duration kQueueTimeout = absl::Milliseconds(100);

std::unique_ptr<Connection> MakeConnection(UniqueFd socket, std::string address,
                                           StreamFilter filter) {
  PeerIdentity peer = IdentifyPeer(socket.get(), std::move(address));
  std::unique_ptr<ByteStream> stream = std::make_unique<SocketStream>(std::move(socket));
  if (filter != nullptr) stream = filter(std::move(stream));
  return std::make_unique<StreamConnection>(std::move(stream), std::move(peer));
}

// The kernel has no descriptor to poll for a place in a full queue, but connect(2) of a socket that
// blocks waits for one.
int ConnectWhenQueueIsFull(int socket, const SocketName& name) {
  const int flags = ::fcntl(socket, F_GETFL);
  const timeval timeout = absl::ToTimeval(kQueueTimeout);
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  ::fcntl(socket, F_SETFL, flags & ~O_NONBLOCK);
  const Deadline deadline = Deadline::After(kQueueTimeout);
  int error;
  do {
    error = ::connect(socket, name.get(), name.size) == 0 ? 0 : errno;
  } while (error == EINTR && !deadline.HasPassed());
  ::fcntl(socket, F_SETFL, flags);
  return error;
}

absl::StatusOr<std::unique_ptr<Connection>> Dial(const Address& address, SocketNameKind kind,
                                                 StreamFilter filter) {
  absl::StatusOr<SocketName> name = ParseSocketName(address, kind);
  if (!name.ok()) return name.status();
  const std::string where = address.ToString();
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return UnavailableErrno(errno, where, "socket");
  int error = ::connect(socket.get(), name->get(), name->size) == 0 ? 0 : errno;
  if (error == EAGAIN) error = ConnectWhenQueueIsFull(socket.get(), *name);
  if (error == EAGAIN || error == EINTR) {
    return absl::UnavailableError(
        absl::StrCat(where,
                     ": connect: the server's queue of new connections is full (is it "
                     "stopped, or does it get more connections than it can take in?)"));
  }
  if (error != 0) return UnavailableErrno(error, where, "connect");
  return MakeConnection(std::move(socket), where, filter);
}

class UnixListener final : public Listener {
 public:
  UnixListener(Address address, UniqueFd socket, std::optional<SocketFile> file,
               StreamFilter filter)
      : address_(std::move(address)),
        where_(address_.ToString()),
        filter_(filter),
        acceptor_(std::move(socket), where_),
        file_(std::move(file)) {}

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    absl::StatusOr<UniqueFd> socket = acceptor_.Accept();
    if (!socket.ok()) return socket.status();
    if (!*socket) return nullptr;
    return MakeConnection(*std::move(socket), where_, filter_);
  }

  Wake Arm() override { return Wake{.fd = acceptor_.fd(), .events = POLLIN}; }
  const Address& address() const override { return address_; }

 private:
  const Address address_;
  const std::string where_;
  const StreamFilter filter_;
  SocketAcceptor acceptor_;
  // Behind the acceptor: the file goes while the socket is still open.
  const std::optional<SocketFile> file_;
};

// Gives `socket` its name; a path's file goes when the result does.
absl::StatusOr<std::optional<SocketFile>> Bind(int socket, const Address& address,
                                               SocketNameKind kind) {
  if (kind == SocketNameKind::kPath) return SocketFile::Bind(socket, address);
  absl::StatusOr<SocketName> name = ParseSocketName(address, kind);
  if (!name.ok()) return name.status();
  if (::bind(socket, name->get(), name->size) == 0) return std::nullopt;
  if (errno != EADDRINUSE) return UnavailableErrno(errno, address.ToString(), "listen");
  return absl::AlreadyExistsError(absl::StrCat(
      address.ToString(), ": listen: a live server is there (stop it, or choose another name)"));
}

absl::StatusOr<std::unique_ptr<Listener>> Listen(const Address& address, SocketNameKind kind,
                                                 StreamFilter filter) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return UnavailableErrno(errno, address.ToString(), "socket");
  absl::StatusOr<std::optional<SocketFile>> file = Bind(socket.get(), address, kind);
  if (!file.ok()) return file.status();
  if (::listen(socket.get(), SOMAXCONN) != 0) {
    return UnavailableErrno(errno, address.ToString(), "listen");
  }
  return std::make_unique<UnixListener>(address, std::move(socket), *std::move(file), filter);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> DialUnix(const Address& address) {
  return Dial(address, SocketNameKind::kPath, nullptr);
}

absl::StatusOr<std::unique_ptr<Listener>> ListenUnix(const Address& address) {
  return Listen(address, SocketNameKind::kPath, nullptr);
}

absl::StatusOr<std::unique_ptr<Connection>> DialUnixAbstract(const Address& address) {
  return Dial(address, SocketNameKind::kAbstract, nullptr);
}

absl::StatusOr<std::unique_ptr<Listener>> ListenUnixAbstract(const Address& address) {
  return Listen(address, SocketNameKind::kAbstract, nullptr);
}

absl::StatusOr<std::unique_ptr<Connection>> DialUnixFiltered(const Address& address,
                                                             StreamFilter filter) {
  return Dial(address, SocketNameKind::kPath, filter);
}

absl::StatusOr<std::unique_ptr<Listener>> ListenUnixFiltered(const Address& address,
                                                             StreamFilter filter) {
  return Listen(address, SocketNameKind::kPath, filter);
}

}  // namespace nigh
