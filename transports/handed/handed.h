#ifndef NIGH_TRANSPORTS_HANDED_HANDED_H_
#define NIGH_TRANSPORTS_HANDED_HANDED_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh {

// Sockets that listen already and were handed to this process, for servers. Who made them holds
// them on: clients that come while no server runs wait in their queues for the next one.
//
//   systemd:      all that a service manager has handed over as sd_listen_fds(3) says: LISTEN_PID,
//                 LISTEN_FDS, from descriptor 3 on
//   systemd:NAME  those of that name (LISTEN_FDNAMES; FileDescriptorName= of a .socket unit)
//   fd:N          descriptor N
//
// The socket says what is spoken there, and what others dial:
//
//   AF_UNIX, SOCK_STREAM     frames: unix:PATH, unix-abstract:NAME
//   AF_UNIX, SOCK_SEQPACKET  the meeting socket of shared memory: shm:PATH
//   AF_INET, AF_INET6        tcp://HOST:PORT
//
// With the first two at PATH and PATH.shm2 (kOfferVersion), clients dial local:PATH, too.
//
// The descriptors stay open until the process ends, so that a server that has been shut down can be
// followed by another one. INVALID_ARGUMENT: a descriptor is no socket that nigh can serve.
// FAILED_PRECONDITION: nothing was handed over, or nothing of that name.
absl::StatusOr<std::vector<ListeningSocket>> HandedBySystemd(const Address& address);
absl::StatusOr<std::vector<ListeningSocket>> HandedByNumber(const Address& address);

// What is handed over is for servers; and there are no such addresses of one socket.
absl::StatusOr<std::unique_ptr<Connection>> DialHanded(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenHanded(const Address& address);

inline constexpr Transport kSystemdTransport = {.scheme = "systemd",
                                                .dial = &DialHanded,
                                                .listen = &ListenHanded,
                                                .has_name = false,
                                                .handed = &HandedBySystemd};
inline constexpr Transport kFdTransport = {
    .scheme = "fd", .dial = &DialHanded, .listen = &ListenHanded, .handed = &HandedByNumber};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_HANDED_HANDED_H_
