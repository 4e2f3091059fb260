#include "nigh/transports/tcp/tcp.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/wire/refusal.h"
#include "nigh/transport/address.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/stream/socket_acceptor.h"
#include "nigh/transports/stream/stream_connection.h"
#include "nigh/transports/tcp/endpoint.h"
#include "nigh/transports/tcp/tcp_stream.h"

namespace nigh {
namespace {

UniqueFd MakeSocket(int family) {
  return UniqueFd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// One socket for all candidates. An IPv6 socket takes IPv4 addresses as well, unless the system has
// no IPv6; then the IPv4 ones are all that could work anyway.
UniqueFd MakeSocketFor(std::vector<Endpoint>& candidates) {
  const auto is_v4 = [](const Endpoint& endpoint) { return endpoint.family() == AF_INET; };
  if (absl::c_all_of(candidates, is_v4)) return MakeSocket(AF_INET);
  UniqueFd socket = MakeSocket(AF_INET6);
  if (socket) {
    constexpr int kOff = 0;
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &kOff, sizeof(kOff));
    for (Endpoint& candidate : candidates) candidate = candidate.ToV6();
    return socket;
  }
  if (errno != EAFNOSUPPORT || absl::c_none_of(candidates, is_v4)) return socket;
  std::erase_if(candidates, [&](const Endpoint& endpoint) { return !is_v4(endpoint); });
  return MakeSocket(AF_INET);
}

class TcpListener final : public Listener {
 public:
  TcpListener(Address address, UniqueFd socket)
      : address_(std::move(address)), acceptor_(std::move(socket), address_.ToString()) {}

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    absl::StatusOr<UniqueFd> socket = acceptor_.Accept();
    if (!socket.ok()) return socket.status();
    if (!*socket) return nullptr;
    const Endpoint peer = Endpoint::Peer(socket->get());
    if (peer.family() == AF_UNSPEC) return nullptr;  // gone already
    PeerIdentity identity;
    identity.medium = "TCP";
    identity.address =
        absl::StrCat(address_.scheme, ":", HostPort{peer.host(), peer.port()}.ToName());
    auto stream = std::make_unique<TcpStream>(*std::move(socket));
    if (const absl::Status admitted = gate()(identity); !admitted.ok()) {
      const std::string refusal = EncodeRefusal(admitted);
      (void)stream->Write(AsBytes(refusal));
      stream->Shutdown();
      return nullptr;
    }
    return std::make_unique<StreamConnection>(std::move(stream), std::move(identity));
  }

  Wake Arm() override { return Wake{.fd = acceptor_.fd(), .events = POLLIN}; }
  const Address& address() const override { return address_; }

 private:
  const Address address_;
  SocketAcceptor acceptor_;
};

absl::StatusOr<UniqueFd> ListenAt(const Endpoint& endpoint, absl::string_view where) {
  UniqueFd socket = MakeSocket(endpoint.family());
  if (!socket) return UnavailableErrno(errno, where, "socket");
  // Connections of an earlier server that are still winding down are no reason to refuse; a live
  // listener is, with this option too.
  constexpr int kOn = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &kOn, sizeof(kOn));
  if (::bind(socket.get(), endpoint.get(), endpoint.size()) != 0 ||
      ::listen(socket.get(), SOMAXCONN) != 0) {
    return ErrnoStatus(
        errno == EADDRINUSE ? absl::StatusCode::kAlreadyExists : absl::ErrnoToStatusCode(errno),
        errno, where, "listen");
  }
  return socket;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> DialTcp(const Address& address) {
  absl::StatusOr<HostPort> target = ParseHostPort(address);
  if (!target.ok()) return target.status();
  const std::string where = address.ToString();
  if (target->port == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "address \"", where, "\": port 0 is for listening (dial the port that the server got)"));
  }
  absl::StatusOr<std::vector<Endpoint>> candidates = Resolve(*target, where);
  if (!candidates.ok()) return candidates.status();
  UniqueFd socket = MakeSocketFor(*candidates);
  if (!socket) return UnavailableErrno(errno, where, "socket");
  auto stream = std::make_unique<TcpStream>(std::move(socket), *std::move(candidates));
  if (const int result = stream->Advance(); result < 0 && result != -EAGAIN) {
    return UnavailableErrno(-result, where, "connect");
  }
  PeerIdentity identity;
  identity.medium = "TCP";
  identity.address = where;
  return std::make_unique<StreamConnection>(std::move(stream), std::move(identity));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenTcp(const Address& address) {
  absl::StatusOr<HostPort> target = ParseHostPort(address);
  if (!target.ok()) return target.status();
  const std::string where = address.ToString();
  absl::StatusOr<std::vector<Endpoint>> endpoints = Resolve(*target, where);
  if (!endpoints.ok()) return endpoints.status();
  absl::c_stable_sort(*endpoints, [](const Endpoint& a, const Endpoint& b) {
    return a.family() == AF_INET && b.family() != AF_INET;
  });
  absl::StatusOr<UniqueFd> socket;
  for (const Endpoint& endpoint : *endpoints) {
    socket = ListenAt(endpoint, where);
    if (socket.ok() || absl::IsAlreadyExists(socket.status())) break;
  }
  if (!socket.ok()) return socket.status();
  target->port = Endpoint::Local(socket->get()).port();
  Address listening = address;
  listening.name = target->ToName();
  return std::make_unique<TcpListener>(std::move(listening), *std::move(socket));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenOnTcp(ListeningSocket socket) {
  return std::make_unique<TcpListener>(std::move(socket.address), std::move(socket.socket));
}

}  // namespace nigh
