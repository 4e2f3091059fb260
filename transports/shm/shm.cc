#include "nigh/transports/shm/shm.h"

#include <sys/socket.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/rendezvous/rendezvous.h"
#include "nigh/transports/rendezvous/runtime_directory.h"
#include "nigh/transports/shm/bell.h"
#include "nigh/transports/shm/memory.h"
#include "nigh/transports/shm/shm_connection.h"
#include "nigh/transports/shm/shm_options.h"

namespace nigh {
namespace {

constexpr absl::Duration kSweepEvery = absl::Minutes(1);

absl::StatusOr<MeetingPoint> PointOf(const Address& address) {
  MeetingPoint point = {.address = address.ToString(),
                        .name = "",
                        .type = SOCK_SEQPACKET,
                        .brings_descriptors = true};
  absl::StatusOr<std::vector<std::string>> paths = MeetingPaths(address.name, point.address);
  if (!paths.ok()) return paths.status();
  if (absl::Status good = CheckAccessOfPaths(address, *paths); !good.ok()) return good;
  point.name = paths->front();
  point.others.assign(paths->begin() + 1, paths->end());
  return point;
}

class ShmListener final : public Listener {
 public:
  ShmListener(Address address, const ShmOptions& options, MeetingPlace place)
      : address_(std::move(address)), options_(options), place_(std::move(place)) {}

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    absl::StatusOr<UniqueFd> socket = place_.Accept();
    if (!socket.ok()) return socket.status();
    if (!*socket) return nullptr;
    PeerIdentity client = IdentifyPeer(socket->get(), address_.ToString());
    if (const absl::Status admitted = gate()(client); !admitted.ok()) {
      TurnAway(*std::move(socket), client, admitted);
      return nullptr;
    }
    // Clients that have come and said nothing leave memory that was made for them.
    if (next_sweep_.HasPassed()) {
      SweepMemory(options_.memory);
      next_sweep_ = Deadline::After(kSweepEvery);
    }
    // Who comes when there is no memory left is turned away; the next may be luckier.
    absl::StatusOr<std::unique_ptr<Connection>> made =
        ShmConnection::Make(*std::move(socket), Side::kServer, std::move(client), options_);
    if (made.ok()) return made;
    return absl::ResourceExhaustedError(made.status().message());
  }

  Wake Arm() override { return place_.Arm(); }
  const Address& address() const override { return address_; }

 private:
  const Address address_;
  const ShmOptions options_;
  MeetingPlace place_;
  Deadline next_sweep_ = Deadline::After(kSweepEvery);
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> DialShm(const Address& address) {
  absl::StatusOr<ShmOptions> options = ParseShmOptions(address);
  if (!options.ok()) return options.status();
  absl::StatusOr<MeetingPoint> point = PointOf(address);
  if (!point.ok()) return point.status();
  absl::StatusOr<UniqueFd> socket = Meet(*point);
  if (!socket.ok()) return socket.status();
  PeerIdentity server = IdentifyPeer(socket->get(), address.ToString());
  return ShmConnection::Make(*std::move(socket), Side::kClient, std::move(server), *options);
}

absl::StatusOr<std::unique_ptr<Listener>> ListenShm(const Address& address) {
  absl::StatusOr<ShmOptions> options = ParseShmOptions(address);
  if (!options.ok()) return options.status();
  absl::StatusOr<MeetingPoint> point = PointOf(address);
  if (!point.ok()) return point.status();
  absl::StatusOr<Access> access = Access::Of(address);
  if (!access.ok()) return access.status();
  point->access = *access;
  SweepMemory(options->memory);
  SweepBells(options->doorbell);
  absl::StatusOr<MeetingPlace> place = MeetingPlace::Open(*point);
  if (!place.ok()) return place.status();
  return std::make_unique<ShmListener>(address, *options, *std::move(place));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenOnShm(ListeningSocket socket) {
  Address address = socket.address;
  absl::StatusOr<ShmOptions> options = ParseShmOptions(address);
  if (!options.ok()) return options.status();
  SweepMemory(options->memory);
  return std::make_unique<ShmListener>(
      std::move(address), *options,
      MeetingPlace::Adopt(std::move(socket), /*brings_descriptors=*/true));
}

}  // namespace nigh
