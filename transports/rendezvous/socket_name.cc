#include "nigh/transports/rendezvous/socket_name.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cassert>
#include <cstddef>
#include <cstring>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace nigh {

SocketName MakeSocketName(absl::string_view name, SocketNameKind kind) {
  assert(name.size() <= kMaxSocketName);
  SocketName result;
  result.name.sun_family = AF_UNIX;
  const size_t at = kind == SocketNameKind::kAbstract ? 1 : 0;
  std::memcpy(result.name.sun_path + at, name.data(), name.size());
  // An abstract name is as long as it is said to be; a NUL behind it would be a part of it.
  result.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return result;
}

absl::StatusOr<SocketName> CheckSocketName(absl::string_view name, SocketNameKind kind,
                                           absl::string_view address) {
  if (name.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("address \"", address, "\": there is no name"));
  }
  if (name.size() > kMaxSocketName) {
    return absl::InvalidArgumentError(absl::StrCat(
        "address \"", address, "\": the ", kind == SocketNameKind::kPath ? "path" : "name", " has ",
        name.size(), " bytes, the system allows ", kMaxSocketName, " (use a shorter one)"));
  }
  return MakeSocketName(name, kind);
}

}  // namespace nigh
