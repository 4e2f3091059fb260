#ifndef NIGH_TRANSPORTS_UNIX_UNIX_H_
#define NIGH_TRANSPORTS_UNIX_UNIX_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transports/rendezvous/access.h"

namespace nigh {

// Stream sockets of one machine, by gRPC's own spelling of their names:
//
//   unix:PATH           a socket file, for its owner alone, or as ?mode=0660&group=NAME say
//   unix-abstract:NAME  a name of Linux's own, seen by everybody in the same network namespace
//
// The kernel tells both sides who the other is: who has connected, and who has sent the hello.
//
// Dialling waits for a tenth of a second at most, and only when the server's queue of waiting
// connections is full.
absl::StatusOr<std::unique_ptr<Connection>> DialUnix(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenUnix(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenOnUnix(ListeningSocket socket);
absl::StatusOr<std::unique_ptr<Connection>> DialUnixAbstract(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenUnixAbstract(const Address& address);

inline constexpr Transport kUnixTransport = {.scheme = "unix",
                                             .dial = &DialUnix,
                                             .listen = &ListenUnix,
                                             .reach = Reach::kUsers,
                                             .owner = &OwnerOfPath,
                                             .listen_on = &ListenOnUnix};
inline constexpr Transport kUnixAbstractTransport = {.scheme = "unix-abstract",
                                                     .dial = &DialUnixAbstract,
                                                     .listen = &ListenUnixAbstract,
                                                     .reach = Reach::kUsers,
                                                     .listen_on = &ListenOnUnix};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_UNIX_UNIX_H_
