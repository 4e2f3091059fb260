#include "nigh/transports/tcp/endpoint.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "nigh/transport/address.h"

namespace nigh {
namespace {

absl::Status Malformed(const Address& address, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("address \"", address.ToString(), "\": ", why,
                   " (write tcp://HOST:PORT, as in tcp://127.0.0.1:5000 or tcp://[::1]:5000)"));
}

// The address inside, if it is an IPv4 one that is written as IPv6.
const in_addr* MappedV4(const in6_addr& address) {
  return IN6_IS_ADDR_V4MAPPED(&address) ? reinterpret_cast<const in_addr*>(
                                              address.s6_addr + sizeof(in6_addr) - sizeof(in_addr))
                                        : nullptr;
}

}  // namespace

std::string HostPort::ToName() const {
  const bool brackets = absl::StrContains(host, ':');
  return absl::StrCat("//", brackets ? "[" : "", host, brackets ? "]" : "", ":", port);
}

absl::StatusOr<HostPort> ParseHostPort(const Address& address) {
  if (absl::Status status = address.CheckParameters({}); !status.ok()) return status;
  absl::string_view text = address.name;
  if (!absl::ConsumePrefix(&text, "//")) {
    return Malformed(address, absl::StrCat("no // follows ", address.scheme, ":"));
  }
  absl::string_view host;
  if (absl::ConsumePrefix(&text, "[")) {
    const size_t end = text.find(']');
    if (end == absl::string_view::npos) return Malformed(address, "a ] is missing");
    host = text.substr(0, end);
    text.remove_prefix(end + 1);
  } else {
    host = text.substr(0, text.find(':'));
    text.remove_prefix(host.size());
    if (absl::StrContains(text.substr(text.empty() ? 0 : 1), ':')) {
      return Malformed(address, "an IPv6 address needs brackets");
    }
  }
  if (host.empty()) return Malformed(address, "it has no host");
  if (host.find_first_of("[]") != absl::string_view::npos) {
    return Malformed(address, "its host has a bracket too many");
  }
  if (!absl::ConsumePrefix(&text, ":")) return Malformed(address, "it has no port");
  uint32_t port = 0;
  if (!absl::c_all_of(text, absl::ascii_isdigit) || !absl::SimpleAtoi(text, &port) ||
      port > std::numeric_limits<uint16_t>::max()) {
    return Malformed(address, "its port is not a number from 0 to 65535");
  }
  return HostPort{std::string(host), static_cast<uint16_t>(port)};
}

Endpoint::Endpoint(const sockaddr* address, socklen_t size) { std::memcpy(&any_, address, size); }

Endpoint Endpoint::Local(int socket) {
  Endpoint endpoint;
  socklen_t size = sizeof(endpoint.any_);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&endpoint.any_), &size) != 0) return {};
  return endpoint;
}

Endpoint Endpoint::Peer(int socket) {
  Endpoint endpoint;
  socklen_t size = sizeof(endpoint.any_);
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&endpoint.any_), &size) != 0) return {};
  return endpoint;
}

uint16_t Endpoint::port() const {
  return ntohs(family() == AF_INET ? reinterpret_cast<const sockaddr_in&>(any_).sin_port
                                   : reinterpret_cast<const sockaddr_in6&>(any_).sin6_port);
}

std::string Endpoint::host() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(any_).sin_addr, text, sizeof(text));
    return text;
  }
  const in6_addr& address = reinterpret_cast<const sockaddr_in6&>(any_).sin6_addr;
  if (const in_addr* mapped = MappedV4(address); mapped != nullptr) {
    ::inet_ntop(AF_INET, mapped, text, sizeof(text));
  } else {
    ::inet_ntop(AF_INET6, &address, text, sizeof(text));
  }
  return text;
}

Endpoint Endpoint::ToV6() const {
  if (family() != AF_INET) return *this;
  const auto& from = reinterpret_cast<const sockaddr_in&>(any_);
  sockaddr_in6 to = {};
  to.sin6_family = AF_INET6;
  to.sin6_port = from.sin_port;
  std::memset(to.sin6_addr.s6_addr + 10, 0xff, 2);
  std::memcpy(to.sin6_addr.s6_addr + 12, &from.sin_addr, sizeof(from.sin_addr));
  return Endpoint(reinterpret_cast<const sockaddr*>(&to), sizeof(to));
}

absl::StatusOr<std::vector<Endpoint>> Resolve(const HostPort& target, absl::string_view where) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(target.host.c_str(), absl::StrCat(target.port).c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(absl::StrCat(
        where, ": look up ", target.host, ": ",
        error == EAI_SYSTEM ? std::generic_category().message(errno) : ::gai_strerror(error),
        " (check the host's name)"));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::vector<Endpoint> endpoints;
  for (; found != nullptr; found = found->ai_next) {
    if (found->ai_family != AF_INET && found->ai_family != AF_INET6) continue;
    endpoints.emplace_back(found->ai_addr, found->ai_addrlen);
  }
  if (endpoints.empty()) {
    return absl::UnavailableError(
        absl::StrCat(where, ": look up ", target.host, ": it has no IPv4 or IPv6 address"));
  }
  return endpoints;
}

}  // namespace nigh
