#include "nigh/transports/local/local.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/process/peer_process.h"
#include "nigh/transports/rendezvous/rendezvous.h"
#include "nigh/transports/rendezvous/runtime_directory.h"
#include "nigh/transports/shm/memory.h"
#include "nigh/transports/shm/offer.h"
#include "nigh/transports/shm/shm_connection.h"
#include "nigh/transports/shm/shm_options.h"
#include "nigh/transports/stream/socket_stream.h"
#include "nigh/transports/stream/stream_connection.h"

namespace nigh {
namespace {

// Where to meet, and whether for shared memory.
struct Meeting {
  MeetingPoint socket;
  MeetingPoint shm_socket;
  bool shm = true;
};

std::string ShmSocketBeside(const std::string& path) {
  return absl::StrCat(path, ".shm", kOfferVersion);
}

absl::StatusOr<Meeting> FindMeeting(const Address& address) {
  if (absl::Status known = address.CheckParameters({"shm", "mode", "group", "server"});
      !known.ok()) {
    return known;
  }
  const std::string where = address.ToString();
  const absl::string_view shm = address.Parameter("shm", "on");
  if (shm != "on" && shm != "off") {
    return absl::InvalidArgumentError(
        absl::StrCat("address \"", where, "\": shm=", shm, " (use on, the default, or off)"));
  }
  absl::StatusOr<std::vector<std::string>> paths = MeetingPaths(address.name, where);
  if (!paths.ok()) return paths.status();
  if (absl::Status good = CheckAccessOfPaths(address, *paths); !good.ok()) return good;
  Meeting meeting = {.socket = {.address = where, .name = paths->front(), .type = SOCK_STREAM},
                     .shm_socket = {.address = where,
                                    .name = ShmSocketBeside(paths->front()),
                                    .type = SOCK_SEQPACKET,
                                    .brings_descriptors = true},
                     .shm = shm == "on"};
  for (size_t i = 1; i < paths->size(); ++i) {
    meeting.socket.others.push_back((*paths)[i]);
    meeting.shm_socket.others.push_back(ShmSocketBeside((*paths)[i]));
  }
  return meeting;
}

constexpr absl::string_view kTurnedOff = "this side's address says shm=off";

std::unique_ptr<Connection> StayOnSocket(UniqueFd socket, Side side, PeerIdentity peer,
                                         absl::string_view why) {
  peer.medium = absl::StrCat("Unix socket, without shared memory: ", why);
  PeerProcess process = PeerProcess::OfSocket(socket.get());
  peer.pidfd = process.pidfd();
  return std::make_unique<StreamConnection>(
      std::make_unique<SocketStream>(std::move(socket),
                                     /*asked_for_senders=*/side == Side::kClient),
      std::move(peer), side, std::move(process));
}

class LocalListener final : public Listener {
 public:
  // `why_no_shm` if there is no `shm_place`; `both` is an epoll set of both places, if there are
  // two.
  LocalListener(Address address, MeetingPlace place, std::optional<MeetingPlace> shm_place,
                std::string why_no_shm, UniqueFd both)
      : address_(std::move(address)),
        where_(address_.ToString()),
        place_(std::move(place)),
        shm_place_(std::move(shm_place)),
        why_no_shm_(std::move(why_no_shm)),
        both_(std::move(both)) {}

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    if (shm_place_.has_value()) {
      absl::StatusOr<UniqueFd> socket = shm_place_->Accept();
      if (!socket.ok()) return socket.status();
      // Who comes when there is no memory left is turned away, and may come to the other socket.
      if (*socket) {
        std::optional<PeerIdentity> client = LetIn(*socket);
        if (!client.has_value()) return nullptr;
        absl::StatusOr<std::unique_ptr<Connection>> made = ShmConnection::Make(
            *std::move(socket), Side::kServer, *std::move(client), ShmOptions());
        if (made.ok()) return made;
        return absl::ResourceExhaustedError(made.status().message());
      }
    }
    absl::StatusOr<UniqueFd> socket = place_.Accept();
    if (!socket.ok()) return socket.status();
    if (!*socket) return nullptr;
    std::optional<PeerIdentity> client = LetIn(*socket);
    if (!client.has_value()) return nullptr;
    return StayOnSocket(*std::move(socket), Side::kServer, *std::move(client),
                        shm_place_.has_value() ? "the client came without" : why_no_shm_);
  }

  Wake Arm() override { return both_ ? Wake{.fd = both_.get(), .events = POLLIN} : place_.Arm(); }
  const Address& address() const override { return address_; }

 private:
  // Who has come. Nothing: somebody who may not come in, and has been told.
  std::optional<PeerIdentity> LetIn(UniqueFd& socket) const {
    PeerIdentity client = IdentifyPeer(socket.get(), where_);
    const absl::Status admitted = gate()(client);
    if (admitted.ok()) return client;
    TurnAway(std::move(socket), client, admitted);
    return std::nullopt;
  }

  const Address address_;
  const std::string where_;
  MeetingPlace place_;
  std::optional<MeetingPlace> shm_place_;
  const std::string why_no_shm_;
  const UniqueFd both_;
};

// The socket for those who come with shared memory, beside the one at `path`.
absl::StatusOr<MeetingPlace> OpenShmPlace(const Meeting& meeting, const std::string& path) {
  if (!meeting.shm) return absl::FailedPreconditionError(kTurnedOff);
  const absl::StatusOr<OwnMemory> trial =
      CreateMemory(MemoryKind::kMemfd, kControlSize + ShmOptions().ring_size);
  if (!trial.ok()) return trial.status();
  return MeetingPlace::Open({.address = meeting.shm_socket.address,
                             .name = ShmSocketBeside(path),
                             .type = meeting.shm_socket.type,
                             .brings_descriptors = true,
                             .access = meeting.shm_socket.access});
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> DialLocal(const Address& address) {
  absl::StatusOr<Meeting> meeting = FindMeeting(address);
  if (!meeting.ok()) return meeting.status();
  const std::string where = address.ToString();
  std::string why(kTurnedOff);
  if (meeting->shm) {
    absl::StatusOr<UniqueFd> socket = Meet(meeting->shm_socket);
    if (socket.ok()) {
      PeerIdentity server = IdentifyPeer(socket->get(), where);
      absl::StatusOr<std::unique_ptr<Connection>> connection =
          ShmConnection::Make(*std::move(socket), Side::kClient, std::move(server), ShmOptions());
      if (connection.ok()) return connection;
      why = std::string(connection.status().message());
    } else {
      why = "the server does not offer it";
    }
  }
  absl::StatusOr<UniqueFd> socket = Meet(meeting->socket);
  if (!socket.ok()) return socket.status();
  PeerIdentity server = IdentifyPeer(socket->get(), where);
  return StayOnSocket(*std::move(socket), Side::kClient, std::move(server), why);
}

absl::StatusOr<std::unique_ptr<Listener>> ListenLocal(const Address& address) {
  absl::StatusOr<Meeting> meeting = FindMeeting(address);
  if (!meeting.ok()) return meeting.status();
  absl::StatusOr<Access> access = Access::Of(address);
  if (!access.ok()) return access.status();
  meeting->socket.access = meeting->shm_socket.access = *access;
  // This one first: it says whether another server is there.
  absl::StatusOr<MeetingPlace> place = MeetingPlace::Open(meeting->socket);
  if (!place.ok()) return place.status();
  absl::StatusOr<MeetingPlace> shm_place = OpenShmPlace(*meeting, place->name());
  if (!shm_place.ok()) {
    return std::make_unique<LocalListener>(address, *std::move(place), std::nullopt,
                                           std::string(shm_place.status().message()), UniqueFd());
  }
  UniqueFd both = UniqueFd(::epoll_create1(EPOLL_CLOEXEC)).KeptFromChildren();
  if (!both) return UnavailableErrno(errno, address.ToString(), "listen");
  const Wake wake = place->Arm();
  const Wake shm_wake = shm_place->Arm();
  for (const int fd : {wake.fd, wake.end_fd, shm_wake.fd, shm_wake.end_fd}) {
    epoll_event event = {.events = EPOLLIN, .data = {}};
    if (fd >= 0 && ::epoll_ctl(both.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      return UnavailableErrno(errno, address.ToString(), "listen");
    }
  }
  return std::make_unique<LocalListener>(address, *std::move(place), *std::move(shm_place), "",
                                         std::move(both));
}

}  // namespace nigh
