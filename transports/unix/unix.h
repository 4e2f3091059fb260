#ifndef NIGH_TRANSPORTS_UNIX_UNIX_H_
#define NIGH_TRANSPORTS_UNIX_UNIX_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh {

// Stream sockets of one machine, by gRPC's own spelling of their names:
//
//   unix:PATH           a socket file; who may connect is who may write to it
//   unix-abstract:NAME  a name of Linux's own, seen by everybody in the same network namespace
//
// The kernel tells both sides who the other is (SO_PEERCRED).
//
// Dialling waits for a tenth of a second at most, and only when the server's queue of waiting
// connections is full.
absl::StatusOr<std::unique_ptr<Connection>> DialUnix(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenUnix(const Address& address);
absl::StatusOr<std::unique_ptr<Connection>> DialUnixAbstract(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenUnixAbstract(const Address& address);

inline constexpr Transport kUnixTransport = {"unix", &DialUnix, &ListenUnix};
inline constexpr Transport kUnixAbstractTransport = {"unix-abstract", &DialUnixAbstract,
                                                     &ListenUnixAbstract};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_UNIX_UNIX_H_
