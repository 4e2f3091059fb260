#ifndef NIGH_TRANSPORTS_RENDEZVOUS_ACCESS_H_
#define NIGH_TRANSPORTS_RENDEZVOUS_ACCESS_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/address.h"

namespace nigh {

// Whom the kernel lets through to a server, by the mode and the group of what the server makes at
// its address: a socket's file, a FIFO, a queue. What an address says of it is what there will be,
// whatever the umask; it is there before anybody can connect. Who comes through still has to be
// admitted (Gate).
//
//   ?mode=0660      octal; by default 0600, and 0660 where there is a group
//   ?group=NAME     a name or a number; by default the server's own
struct Access {
  mode_t mode = 0600;
  std::optional<gid_t> group = std::nullopt;

  // INVALID_ARGUMENT: such a mode makes no sense, or there is no such group.
  static absl::StatusOr<Access> Of(const Address& address);

  // Gives it to the object behind `fd`, which may be open with O_PATH. Messages begin with `where`.
  absl::Status ApplyTo(int fd, absl::string_view where) const;
};

// What a client makes of the system's answer when it looks for the server at `where`. EACCES is
// PERMISSION_DENIED, the rest UNAVAILABLE.
absl::Status ConnectErrno(int error_number, absl::string_view where, absl::string_view operation);

// INVALID_ARGUMENT if `address` has a mode or a group, and what it names lies in directories that
// are this user's alone: `paths` are several then (MeetingPaths).
absl::Status CheckAccessOfPaths(const Address& address, const std::vector<std::string>& paths);

// The user whose doing everything is at the path that `address` names: who alone may write to the
// folder there and, root aside, to all above it. Nothing: there is none, so anybody may have put
// there what clients find, as in /tmp.
std::optional<uid_t> OwnerOfPath(const Address& address);
// The same where a name may be no path, but one of this user's (MeetingPaths).
std::optional<uid_t> OwnerOfMeetingPath(const Address& address);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_RENDEZVOUS_ACCESS_H_
