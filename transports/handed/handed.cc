#include "nigh/transports/handed/handed.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/tcp/endpoint.h"

namespace nigh {
namespace {

constexpr int kFirst = 3;  // SD_LISTEN_FDS_START

// A number out of the environment. Nothing: there is none.
std::optional<int> Number(const char* variable) {
  const char* const text = std::getenv(variable);
  int number = 0;
  if (text == nullptr || !absl::SimpleAtoi(text, &number)) return std::nullopt;
  return number;
}

absl::Status Refuse(absl::string_view where, int fd, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": listen: descriptor ", fd, " ", why,
                   " (hand over a socket that listens: ListenStream= or ListenSequentialPacket= of "
                   "a .socket unit)"));
}

int Option(int socket, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  return ::getsockopt(socket, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

// The address that others dial to come to a Unix socket.
std::optional<Address> AddressOfUnixSocket(int socket, int type) {
  sockaddr_un name = {};
  socklen_t size = sizeof(name);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size) != 0) return std::nullopt;
  const size_t length = size - offsetof(sockaddr_un, sun_path);
  if (length == 0) return std::nullopt;
  const bool abstract = name.sun_path[0] == '\0';
  if (type == SOCK_SEQPACKET && abstract) return std::nullopt;
  if (abstract) {
    return Address{.scheme = "unix-abstract",
                   .name = std::string(name.sun_path + 1, length - 1),
                   .parameters = {}};
  }
  return Address{.scheme = type == SOCK_STREAM ? "unix" : "shm",
                 .name = std::string(name.sun_path, ::strnlen(name.sun_path, length)),
                 .parameters = {}};
}

// Takes another descriptor of what `fd` is.
absl::StatusOr<ListeningSocket> Take(int fd, absl::string_view where) {
  const int family = Option(fd, SO_DOMAIN);
  if (family < 0 && errno == EBADF) return Refuse(where, fd, "is not open");
  if (family < 0) return Refuse(where, fd, "is no socket");
  if (Option(fd, SO_ACCEPTCONN) != 1) return Refuse(where, fd, "is a socket that does not listen");
  const int type = Option(fd, SO_TYPE);
  std::optional<Address> address;
  if (family == AF_UNIX) {
    address = AddressOfUnixSocket(fd, type);
  } else if ((family == AF_INET || family == AF_INET6) && type == SOCK_STREAM) {
    const Endpoint local = Endpoint::Local(fd);
    address = Address{
        .scheme = "tcp", .name = HostPort{local.host(), local.port()}.ToName(), .parameters = {}};
  }
  if (!address.has_value()) {
    return Refuse(where, fd,
                  "is a socket of a kind that nigh does not serve: neither a stream nor a Unix "
                  "socket of sequenced packets with a path");
  }
  // The manager's own descriptor is of the same file, and it only polls. Children get neither.
  const int flags = ::fcntl(fd, F_GETFL);
  UniqueFd socket = DuplicateFd(fd, /*lowest=*/kFirst).KeptFromChildren();
  if (!socket || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
      ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    return UnavailableErrno(errno, where, "listen: dup");
  }
  return ListeningSocket{.address = *std::move(address), .socket = std::move(socket)};
}

absl::Status NothingHanded(absl::string_view where, absl::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat(
      where, ": listen: ", why,
      " (start the program by a .socket unit, or by systemd-socket-activate; or listen at an "
      "address of its own)"));
}

}  // namespace

absl::StatusOr<std::vector<ListeningSocket>> HandedBySystemd(const Address& address) {
  if (absl::Status known = address.CheckParameters({}); !known.ok()) return known;
  const std::string where = address.ToString();
  const std::optional<int> process = Number("LISTEN_PID");
  const int count = Number("LISTEN_FDS").value_or(0);
  if (!process.has_value() || count <= 0) {
    return NothingHanded(where,
                         "no service manager has handed over a socket: LISTEN_FDS is not set");
  }
  if (*process != ::getpid()) {
    return NothingHanded(where, absl::StrCat("sockets were handed to process ", *process,
                                             " (LISTEN_PID), and this one is ", ::getpid()));
  }
  const char* const text = std::getenv("LISTEN_FDNAMES");
  const std::vector<std::string> names = absl::StrSplit(text == nullptr ? "" : text, ':');
  std::vector<ListeningSocket> sockets;
  std::string others;
  for (int i = 0; i < count; ++i) {
    const absl::string_view name =
        static_cast<size_t>(i) < names.size() ? absl::string_view(names[i]) : "";
    if (!address.name.empty() && name != address.name) {
      absl::StrAppend(&others, others.empty() ? "" : ", ",
                      name.empty() ? "one without a name" : name);
      continue;
    }
    absl::StatusOr<ListeningSocket> socket = Take(kFirst + i, where);
    if (!socket.ok()) return socket.status();
    sockets.push_back(*std::move(socket));
  }
  if (sockets.empty()) {
    return NothingHanded(where, absl::StrCat("no socket of that name was handed over, but ", others,
                                             " (FileDescriptorName= gives a name)"));
  }
  return sockets;
}

absl::StatusOr<std::vector<ListeningSocket>> HandedByNumber(const Address& address) {
  if (absl::Status known = address.CheckParameters({}); !known.ok()) return known;
  const std::string where = address.ToString();
  int fd = -1;
  if (!absl::SimpleAtoi(address.name, &fd) || fd < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("address \"", where, "\": use the number of a descriptor, as in fd:3"));
  }
  absl::StatusOr<ListeningSocket> socket = Take(fd, where);
  if (!socket.ok()) return socket.status();
  std::vector<ListeningSocket> sockets;
  sockets.push_back(*std::move(socket));
  return sockets;
}

absl::StatusOr<std::unique_ptr<Connection>> DialHanded(const Address& address) {
  return absl::InvalidArgumentError(absl::StrCat(
      "address \"", address.ToString(), "\": ", address.scheme,
      ": is for servers, which listen there (dial the socket's own address, as unix:PATH)"));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenHanded(const Address& address) {
  return absl::InvalidArgumentError(absl::StrCat(
      "address \"", address.ToString(), "\": ", address.scheme, ": stands for other addresses"));
}

}  // namespace nigh
