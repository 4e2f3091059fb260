#include "nigh/transports/rendezvous/rendezvous.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/wire/refusal.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/process/peer_process.h"
#include "nigh/transports/rendezvous/name_watch.h"
#include "nigh/transports/rendezvous/runtime_directory.h"
#include "nigh/transports/rendezvous/socket_file.h"
#include "nigh/transports/rendezvous/socket_name.h"
#include "nigh/transports/stream/passed_descriptors.h"
#include "nigh/transports/stream/socket_acceptor.h"

namespace nigh {
namespace {

// How long to queue for a place in the server's queue. A server that is alive empties it in far
// less; one that is frozen must not freeze its clients.
constexpr absl::Duration kQueueTimeout = absl::Milliseconds(100);

UniqueFd MakeSocket(int type, bool brings_descriptors) {
  UniqueFd socket =
      UniqueFd(::socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)).KeptFromChildren();
  if (socket && !brings_descriptors) (void)PassDescriptors(socket.get(), false);
  return socket;
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
absl::StatusOr<std::optional<SocketFile>> Bind(int socket, const std::string& name,
                                               const MeetingPoint& point) {
  if (point.kind == SocketNameKind::kPath) {
    return SocketFile::Bind(socket, name, point.address, point.access);
  }
  absl::StatusOr<SocketName> checked = CheckSocketName(name, point.kind, point.address);
  if (!checked.ok()) return checked.status();
  if (::bind(socket, checked->get(), checked->size) == 0) return std::nullopt;
  if (errno != EADDRINUSE) return UnavailableErrno(errno, point.address, "listen");
  return absl::AlreadyExistsError(absl::StrCat(
      point.address, ": listen: a live server is there (stop it, or choose another name)"));
}

// What a client finds at a place.
struct Found {
  UniqueFd socket = {};  // null: nobody, because
  int error = 0;         // the system says so; or 0:
  std::string why = {};

  bool is_nobody() const { return error == ENOENT || error == ECONNREFUSED; }
};

Found ConnectTo(const SocketName& name, const MeetingPoint& point) {
  UniqueFd socket = MakeSocket(point.type, point.brings_descriptors);
  if (!socket) return {.error = errno};
  // Before it is connected: the server may send at once.
  AskForSenders(socket.get(), true);
  int error = ::connect(socket.get(), name.get(), name.size) == 0 ? 0 : errno;
  if (error == EAGAIN) error = ConnectWhenQueueIsFull(socket.get(), name);
  if (error == EAGAIN || error == EINTR) {
    return {.why =
                "the server's queue of new connections is full (is it stopped, or does it get more "
                "connections than it can take in?)"};
  }
  if (error != 0) return {.error = error};
  if (PeerProcess::OfSocket(socket.get()).HasDied()) {
    return {.why =
                "the server has died; another process holds its socket, a child of the server as a "
                "rule, and does not serve (start the server again)"};
  }
  return {.socket = std::move(socket)};
}

// `operation`: "connect", and what else has to be said before the reason.
absl::Status NotFound(const Found& found, absl::string_view address, absl::string_view operation) {
  if (found.why.empty()) return ConnectErrno(found.error, address, operation);
  return absl::UnavailableError(absl::StrCat(address, ": ", operation, ": ", found.why));
}

Found ConnectToOneOfSeveral(const std::string& path, const MeetingPoint& point) {
  if (absl::Status status = CheckDirectoryOf(path); absl::IsNotFound(status)) {
    return {.error = ENOENT};
  } else if (!status.ok()) {
    return {.why = std::string(status.message())};
  }
  if (path.size() > kMaxSocketName) return {.error = ENAMETOOLONG};
  return ConnectTo(MakeSocketName(path, SocketNameKind::kPath), point);
}

std::vector<std::string> PathsOf(const MeetingPoint& point) {
  std::vector<std::string> paths = {point.name};
  paths.insert(paths.end(), point.others.begin(), point.others.end());
  return paths;
}

absl::StatusOr<UniqueFd> MeetAtOneOfSeveral(const MeetingPoint& point) {
  struct Place {
    std::string path;
    Found found;
  };
  std::vector<Place> places;
  for (const std::string& path : PathsOf(point)) {
    Found found = ConnectToOneOfSeveral(path, point);
    if (found.socket) return std::move(found.socket);
    places.push_back({path, std::move(found)});
  }
  // What is more telling than that nobody is there comes last, with its remedy.
  std::stable_partition(places.begin(), places.end(),
                        [](const Place& place) { return place.found.is_nobody(); });
  std::string looked = "connect";
  for (const Place& place : places) {
    absl::StrAppend(&looked, &place == &places.front() ? ": " : "; ", place.path);
    if (&place == &places.back()) break;
    absl::StrAppend(&looked, ": ",
                    place.found.why.empty() ? std::generic_category().message(place.found.error)
                                            : place.found.why);
  }
  return NotFound(places.back().found, point.address, looked);
}

// The path to listen at.
absl::StatusOr<std::string> ChoosePath(const MeetingPoint& point) {
  std::vector<std::string> paths = PathsOf(point);
  std::vector<std::string> refusals;
  std::optional<std::string> chosen;
  absl::StatusCode code = absl::StatusCode::kOk;
  for (const std::string& path : paths) {
    const absl::Status status = MakeDirectoryOf(path);
    if (status.ok()) {
      chosen = path;
      break;
    }
    if (refusals.empty()) code = status.code();
    refusals.emplace_back(status.message());
  }
  if (!chosen.has_value()) {
    return absl::Status(
        code, absl::StrCat(point.address, ": listen: no directory for this name can be had: ",
                           absl::StrJoin(refusals, "; "),
                           " (or give a path, with a slash in it, instead of a name)"));
  }
  for (const std::string& path : paths) {
    if (path == *chosen || !CheckDirectoryOf(path).ok() ||
        !SocketFile::IsServed(path, point.type)) {
      continue;
    }
    return absl::AlreadyExistsError(absl::StrCat(point.address, ": listen: a live server is at ",
                                                 path, " (stop it, or choose another name)"));
  }
  return *chosen;
}

}  // namespace

absl::StatusOr<UniqueFd> Meet(const MeetingPoint& point) {
  absl::StatusOr<SocketName> name = CheckSocketName(point.name, point.kind, point.address);
  if (!name.ok()) return name.status();
  if (!point.others.empty()) return MeetAtOneOfSeveral(point);
  Found found = ConnectTo(*name, point);
  if (found.socket) return std::move(found.socket);
  // An address that does not show the socket's name gets it said.
  const bool shown = absl::StrContains(point.address, point.name);
  return NotFound(found, point.address, shown ? "connect" : absl::StrCat("connect: ", point.name));
}

void TurnAway(UniqueFd socket, const PeerIdentity& client, const absl::Status& why) {
  const std::string refusal = EncodeRefusal(why);
  // The first bytes on the socket: there is room.
  (void)::send(socket.get(), refusal.data(), refusal.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  // The close waits for what it has brought.
  ::shutdown(socket.get(), SHUT_RDWR);
  CloseElsewhere(client.uid, std::move(socket));
}

MeetingPlace::MeetingPlace(std::string name, std::string address, SocketAcceptor acceptor,
                           std::optional<SocketFile> file)
    : name_(std::move(name)), address_(std::move(address)), acceptor_(std::move(acceptor)) {
  if (!file.has_value()) return;
  NameWatch watch = NameWatch::OfPath(file->path());
  place_.emplace(Place{std::move(watch), *std::move(file)});
}

absl::StatusOr<UniqueFd> MeetingPlace::Accept() {
  absl::StatusOr<UniqueFd> socket = acceptor_.Accept();
  if (!socket.ok()) return socket;
  if (*socket) {
    if (SocketFile::IsQuestion(socket->get())) socket->reset();
    return socket;
  }
  // Whoever had come before it went is let in first.
  if (place_.has_value() && place_->watch.Stirred() && place_->file.IsLost()) {
    return absl::NotFoundError(absl::StrCat(address_, ": accept: somebody has removed ",
                                            place_->file.path(),
                                            ", or put something else in its place"));
  }
  return socket;
}

Wake MeetingPlace::Arm() const {
  return {.fd = acceptor_.fd(),
          .events = POLLIN,
          .end_fd = place_.has_value() ? place_->watch.fd() : -1,
          .end_events = POLLIN};
}

MeetingPlace MeetingPlace::Adopt(ListeningSocket socket, bool brings_descriptors) {
  if (!brings_descriptors) (void)PassDescriptors(socket.socket.get(), false);
  const std::string where = socket.address.ToString();
  return MeetingPlace(socket.address.name, where, SocketAcceptor(std::move(socket.socket), where),
                      std::nullopt);
}

absl::StatusOr<MeetingPlace> MeetingPlace::Open(const MeetingPoint& point) {
  absl::StatusOr<std::string> name = point.name;
  if (!point.others.empty()) name = ChoosePath(point);
  if (!name.ok()) return name.status();
  UniqueFd socket = MakeSocket(point.type, point.brings_descriptors);
  if (!socket) return UnavailableErrno(errno, point.address, "socket");
  absl::StatusOr<std::optional<SocketFile>> file = Bind(socket.get(), *name, point);
  if (!file.ok()) return file.status();
  if (::listen(socket.get(), SOMAXCONN) != 0) {
    return UnavailableErrno(errno, point.address, "listen");
  }
  return MeetingPlace(*std::move(name), point.address,
                      SocketAcceptor(std::move(socket), point.address), *std::move(file));
}

}  // namespace nigh
