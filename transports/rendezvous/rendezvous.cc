#include "nigh/transports/rendezvous/rendezvous.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_process.h"
#include "nigh/transports/rendezvous/socket_file.h"
#include "nigh/transports/rendezvous/socket_name.h"
#include "nigh/transports/stream/socket_acceptor.h"

namespace nigh {
namespace {

// How long to queue for a place in the server's queue. A server that is alive empties it in far
// less; one that is frozen must not freeze its clients.
constexpr absl::Duration kQueueTimeout = absl::Milliseconds(100);

UniqueFd MakeSocket(int type) {
  return UniqueFd(::socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)).KeptFromChildren();
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

// Gives `socket` its name; a path's file goes when the result does.
absl::StatusOr<std::optional<SocketFile>> Bind(int socket, const MeetingPoint& point) {
  if (point.kind == SocketNameKind::kPath) {
    return SocketFile::Bind(socket, point.name, point.address);
  }
  absl::StatusOr<SocketName> name = CheckSocketName(point.name, point.kind, point.address);
  if (!name.ok()) return name.status();
  if (::bind(socket, name->get(), name->size) == 0) return std::nullopt;
  if (errno != EADDRINUSE) return UnavailableErrno(errno, point.address, "listen");
  return absl::AlreadyExistsError(absl::StrCat(
      point.address, ": listen: a live server is there (stop it, or choose another name)"));
}

// An address that does not show the socket's name gets it said.
absl::Status ConnectError(int error, const MeetingPoint& point) {
  const bool shown = absl::StrContains(point.address, point.name);
  return UnavailableErrno(error, point.address,
                          shown ? "connect" : absl::StrCat("connect: ", point.name));
}

}  // namespace

absl::StatusOr<UniqueFd> Meet(const MeetingPoint& point) {
  absl::StatusOr<SocketName> name = CheckSocketName(point.name, point.kind, point.address);
  if (!name.ok()) return name.status();
  UniqueFd socket = MakeSocket(point.type);
  if (!socket) return UnavailableErrno(errno, point.address, "socket");
  // Before it is connected: the server may send at once.
  (void)AskForSenders(socket.get(), true);
  int error = ::connect(socket.get(), name->get(), name->size) == 0 ? 0 : errno;
  if (error == EAGAIN) error = ConnectWhenQueueIsFull(socket.get(), *name);
  if (error == EAGAIN || error == EINTR) {
    return absl::UnavailableError(
        absl::StrCat(point.address,
                     ": connect: the server's queue of new connections is full (is it "
                     "stopped, or does it get more connections than it can take in?)"));
  }
  if (error != 0) return ConnectError(error, point);
  if (PeerProcess::OfSocket(socket.get()).HasDied()) {
    return absl::UnavailableError(
        absl::StrCat(point.address,
                     ": connect: the server has died; another process holds its socket, a child of "
                     "the server as a rule, and does not serve (start the server again)"));
  }
  return socket;
}

MeetingPlace::MeetingPlace(SocketAcceptor acceptor, std::optional<SocketFile> file)
    : acceptor_(std::move(acceptor)), file_(std::move(file)) {}

absl::StatusOr<UniqueFd> MeetingPlace::Accept() {
  absl::StatusOr<UniqueFd> socket = acceptor_.Accept();
  if (!socket.ok() || !*socket) return socket;
  if (SocketFile::IsQuestion(socket->get())) socket->reset();
  return socket;
}

absl::StatusOr<MeetingPlace> MeetingPlace::Open(const MeetingPoint& point) {
  UniqueFd socket = MakeSocket(point.type);
  if (!socket) return UnavailableErrno(errno, point.address, "socket");
  absl::StatusOr<std::optional<SocketFile>> file = Bind(socket.get(), point);
  if (!file.ok()) return file.status();
  if (::listen(socket.get(), SOMAXCONN) != 0) {
    return UnavailableErrno(errno, point.address, "listen");
  }
  return MeetingPlace(SocketAcceptor(std::move(socket), point.address), *std::move(file));
}

}  // namespace nigh
