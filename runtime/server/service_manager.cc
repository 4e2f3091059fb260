#include "nigh/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/base/uninterrupted.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

absl::Status NotifyServiceManager(absl::string_view state) {
  const char* const variable = std::getenv("NOTIFY_SOCKET");
  const absl::string_view name = variable == nullptr ? "" : variable;
  if (name.empty()) return absl::OkStatus();
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  if ((name[0] != '/' && name[0] != '@') || name.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("notify the service manager: NOTIFY_SOCKET is \"", name,
                     "\" (it has to be the path of a Unix socket, or @ and an abstract name)"));
  }
  name.copy(address.sun_path, name.size());
  // An abstract name begins with a zero byte instead.
  if (name[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket || Uninterrupted([&] {
                   return ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
                                   reinterpret_cast<const sockaddr*>(&address), size);
                 }) < 0) {
    return UnavailableErrno(errno, name, "notify the service manager");
  }
  return absl::OkStatus();
}

}  // namespace nigh
