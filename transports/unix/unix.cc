#include "nigh/transports/unix/unix.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/process/peer_process.h"
#include "nigh/transports/rendezvous/rendezvous.h"
#include "nigh/transports/rendezvous/socket_name.h"
#include "nigh/transports/stream/socket_stream.h"
#include "nigh/transports/stream/stream_connection.h"

namespace nigh {
namespace {

std::unique_ptr<Connection> MakeConnection(UniqueFd socket, Side side, PeerIdentity peer) {
  PeerProcess process = PeerProcess::OfSocket(socket.get());
  peer.pidfd = process.pidfd();
  auto stream = std::make_unique<SocketStream>(std::move(socket),
                                               /*asked_for_senders=*/side == Side::kClient);
  return std::make_unique<StreamConnection>(std::move(stream), std::move(peer), side,
                                            std::move(process));
}

absl::StatusOr<MeetingPoint> PointOf(const Address& address, SocketNameKind kind) {
  const bool has_file = kind == SocketNameKind::kPath;
  absl::Status known = has_file ? address.CheckParameters({"mode", "group", "server"})
                                : address.CheckParameters({"server"});
  if (!known.ok()) return known;
  return MeetingPoint{.address = address.ToString(), .name = address.name, .kind = kind};
}

absl::StatusOr<std::unique_ptr<Connection>> Dial(const Address& address, SocketNameKind kind) {
  absl::StatusOr<MeetingPoint> point = PointOf(address, kind);
  if (!point.ok()) return point.status();
  absl::StatusOr<UniqueFd> socket = Meet(*point);
  if (!socket.ok()) return socket.status();
  PeerIdentity server = IdentifyPeer(socket->get(), address.ToString());
  return MakeConnection(*std::move(socket), Side::kClient, std::move(server));
}

class UnixListener final : public Listener {
 public:
  UnixListener(Address address, MeetingPlace place)
      : address_(std::move(address)), where_(address_.ToString()), place_(std::move(place)) {}

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    absl::StatusOr<UniqueFd> socket = place_.Accept();
    if (!socket.ok()) return socket.status();
    if (!*socket) return nullptr;
    PeerIdentity client = IdentifyPeer(socket->get(), where_);
    if (const absl::Status admitted = gate()(client); !admitted.ok()) {
      TurnAway(*std::move(socket), client, admitted);
      return nullptr;
    }
    return MakeConnection(*std::move(socket), Side::kServer, std::move(client));
  }

  Wake Arm() override { return place_.Arm(); }
  const Address& address() const override { return address_; }

 private:
  const Address address_;
  const std::string where_;
  MeetingPlace place_;
};

absl::StatusOr<std::unique_ptr<Listener>> Listen(const Address& address, SocketNameKind kind) {
  absl::StatusOr<MeetingPoint> point = PointOf(address, kind);
  if (!point.ok()) return point.status();
  absl::StatusOr<Access> access = Access::Of(address);
  if (!access.ok()) return access.status();
  point->access = *access;
  absl::StatusOr<MeetingPlace> place = MeetingPlace::Open(*point);
  if (!place.ok()) return place.status();
  return std::make_unique<UnixListener>(address, *std::move(place));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> DialUnix(const Address& address) {
  return Dial(address, SocketNameKind::kPath);
}

absl::StatusOr<std::unique_ptr<Listener>> ListenUnix(const Address& address) {
  return Listen(address, SocketNameKind::kPath);
}

absl::StatusOr<std::unique_ptr<Listener>> ListenOnUnix(ListeningSocket socket) {
  Address address = socket.address;
  return std::make_unique<UnixListener>(
      std::move(address), MeetingPlace::Adopt(std::move(socket), /*brings_descriptors=*/false));
}

absl::StatusOr<std::unique_ptr<Connection>> DialUnixAbstract(const Address& address) {
  return Dial(address, SocketNameKind::kAbstract);
}

absl::StatusOr<std::unique_ptr<Listener>> ListenUnixAbstract(const Address& address) {
  return Listen(address, SocketNameKind::kAbstract);
}

}  // namespace nigh
