#include "tests/contract/pipes.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/pipe_ends.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/rendezvous/rendezvous.h"
#include "nigh/transports/stream/inherited_stream.h"
#include "nigh/transports/stream/stream_connection.h"

namespace nigh::testing {
namespace {

struct Parcel {
  char letter = 'p';
  iovec part = {.iov_base = &letter, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> control = {};
  msghdr header = {};

  Parcel() {
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
  }
};

bool Send(int socket, const PipeEnds& ends) {
  Parcel parcel;
  cmsghdr* const rights = CMSG_FIRSTHDR(&parcel.header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(2 * sizeof(int));
  const std::array<int, 2> fds = {ends.in.get(), ends.out.get()};
  std::memcpy(CMSG_DATA(rights), fds.data(), sizeof(fds));
  ssize_t sent = -1;
  do {
    sent = ::sendmsg(socket, &parcel.header, MSG_NOSIGNAL);
  } while (sent < 0 && (errno == EINTR || errno == EAGAIN));
  return sent == 1;
}

// Waits for them; nothing if their sender has gone.
PipeEnds Receive(int socket) {
  Parcel parcel;
  pollfd readable = {.fd = socket, .events = POLLIN, .revents = 0};
  ssize_t received = -1;
  do {
    ::poll(&readable, 1, -1);
    received = ::recvmsg(socket, &parcel.header, MSG_CMSG_CLOEXEC);
  } while (received < 0 && (errno == EINTR || errno == EAGAIN));
  if (received != 1) return {};
  const cmsghdr* const rights = CMSG_FIRSTHDR(&parcel.header);
  if (rights == nullptr || rights->cmsg_len != CMSG_LEN(2 * sizeof(int))) return {};
  std::array<int, 2> fds;
  std::memcpy(fds.data(), CMSG_DATA(rights), sizeof(fds));
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

absl::StatusOr<std::unique_ptr<Connection>> Connect(PipeEnds ends, std::string where) {
  absl::StatusOr<std::unique_ptr<InheritedStream>> stream =
      InheritedStream::Make(std::move(ends.in), std::move(ends.out), where);
  if (!stream.ok()) return stream.status();
  return std::make_unique<StreamConnection>(
      *std::move(stream), PeerIdentity{.address = std::move(where), .medium = "pipe"});
}

MeetingPoint PointOf(const Address& address) {
  return {.address = address.ToString(), .name = address.name, .brings_descriptors = true};
}

class PipesListener final : public Listener {
 public:
  PipesListener(Address address, MeetingPlace place)
      : address_(std::move(address)), place_(std::move(place)) {}

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    absl::StatusOr<UniqueFd> socket = place_.Accept();
    if (!socket.ok()) return socket.status();
    if (!*socket) return nullptr;
    PipeEnds ends = Receive(socket->get());
    if (!ends.in) return nullptr;
    // One that cannot be taken in is turned away: that is no end of the listener.
    auto connection = Connect(std::move(ends), address_.ToString());
    return connection.ok() ? *std::move(connection) : nullptr;
  }

  Wake Arm() override { return place_.Arm(); }
  const Address& address() const override { return address_; }

 private:
  const Address address_;
  MeetingPlace place_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> DialPipes(const Address& address) {
  if (absl::Status known = address.CheckParameters({}); !known.ok()) return known;
  absl::StatusOr<UniqueFd> socket = Meet(PointOf(address));
  if (!socket.ok()) return socket.status();
  absl::StatusOr<std::pair<PipeEnds, PipeEnds>> pipes = MakePipes();
  if (!pipes.ok()) return pipes.status();
  if (!Send(socket->get(), pipes->second)) {
    return absl::UnavailableError(address.ToString() + ": connect: the server has gone");
  }
  return Connect(std::move(pipes->first), address.ToString());
}

absl::StatusOr<std::unique_ptr<Listener>> ListenPipes(const Address& address) {
  if (absl::Status known = address.CheckParameters({}); !known.ok()) return known;
  absl::StatusOr<MeetingPlace> place = MeetingPlace::Open(PointOf(address));
  if (!place.ok()) return place.status();
  return std::make_unique<PipesListener>(address, *std::move(place));
}

}  // namespace nigh::testing
