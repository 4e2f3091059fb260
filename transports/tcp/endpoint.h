#ifndef NIGH_TRANSPORTS_TCP_ENDPOINT_H_
#define NIGH_TRANSPORTS_TCP_ENDPOINT_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/address.h"

namespace nigh {

struct HostPort {
  std::string host;  // without brackets
  uint16_t port = 0;

  // "//[::1]:80", as an Address' name.
  std::string ToName() const;
};

// Reads "//HOST:PORT". INVALID_ARGUMENT that says what is wrong.
absl::StatusOr<HostPort> ParseHostPort(const Address& address);

// An IPv4 or IPv6 address with a port.
class Endpoint {
 public:
  Endpoint() = default;
  // `address` is an AF_INET or AF_INET6 one.
  Endpoint(const sockaddr* address, socklen_t size);

  // What getsockname(2) or getpeername(2) says; nothing (family AF_UNSPEC) if it fails.
  static Endpoint Local(int socket);
  static Endpoint Peer(int socket);

  int family() const { return any_.ss_family; }
  uint16_t port() const;
  // "127.0.0.1", "::1"; an IPv4 address that an IPv6 socket shows is written as what it is.
  std::string host() const;
  // The same address as an IPv6 socket takes it.
  Endpoint ToV6() const;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&any_); }
  socklen_t size() const {
    return family() == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  }

  friend bool operator==(const Endpoint& a, const Endpoint& b) {
    return a.family() == b.family() && a.port() == b.port() && a.host() == b.host();
  }

 private:
  sockaddr_storage any_ = {};
};

// The addresses of a name, in the system's order; blocks for as long as a name server takes.
// UNAVAILABLE, beginning with `where`, when there is none.
absl::StatusOr<std::vector<Endpoint>> Resolve(const HostPort& target, absl::string_view where);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_TCP_ENDPOINT_H_
