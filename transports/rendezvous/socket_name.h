#ifndef NIGH_TRANSPORTS_RENDEZVOUS_SOCKET_NAME_H_
#define NIGH_TRANSPORTS_RENDEZVOUS_SOCKET_NAME_H_

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace nigh {

// What connect(2) and bind(2) take. Both kinds of name have room for the same number of bytes: a
// path ends with a NUL, an abstract name begins with one.
inline constexpr size_t kMaxSocketName = sizeof(sockaddr_un::sun_path) - 1;

struct SocketName {
  sockaddr_un name = {};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

enum class SocketNameKind { kPath, kAbstract };

// `name` is kMaxSocketName bytes at most.
SocketName MakeSocketName(absl::string_view name, SocketNameKind kind);

// INVALID_ARGUMENT when `name` is too long; the message begins with `address`, which led to it.
absl::StatusOr<SocketName> CheckSocketName(absl::string_view name, SocketNameKind kind,
                                           absl::string_view address);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_RENDEZVOUS_SOCKET_NAME_H_
