#ifndef NIGH_TRANSPORTS_TCP_TCP_H_
#define NIGH_TRANSPORTS_TCP_TCP_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh {

// tcp://HOST:PORT, where HOST is a name, an IPv4 address, or an IPv6 address in brackets.
//
// Dialling looks the name up and returns; the connection tries the addresses of the name one after
// the other, and Receive and Flush tell when all have failed. What is sent meanwhile is kept.
//
// Listening takes one address: of a name that has several, the first IPv4 one, which dialling by
// name also reaches. Port 0 lets the system choose; Listener::address() says what it chose. [::]
// serves IPv4 too.
//
// Nothing is known of the peer's user. When a side closes while its peer is still sending, TCP may
// drop what the closing side had flushed and the peer had no room for yet.
absl::StatusOr<std::unique_ptr<Connection>> DialTcp(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenTcp(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenOnTcp(ListeningSocket socket);

inline constexpr Transport kTcpTransport = {
    .scheme = "tcp", .dial = &DialTcp, .listen = &ListenTcp, .listen_on = &ListenOnTcp};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_TCP_TCP_H_
