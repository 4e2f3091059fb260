#ifndef NIGH_TRANSPORTS_UNIX_SOCKET_NAME_H_
#define NIGH_TRANSPORTS_UNIX_SOCKET_NAME_H_

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/address.h"

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

// The name in `address`. INVALID_ARGUMENT when it is too long or there are parameters.
absl::StatusOr<SocketName> ParseSocketName(const Address& address, SocketNameKind kind);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_UNIX_SOCKET_NAME_H_
