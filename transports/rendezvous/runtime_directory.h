#ifndef NIGH_TRANSPORTS_RENDEZVOUS_RUNTIME_DIRECTORY_H_
#define NIGH_TRANSPORTS_RENDEZVOUS_RUNTIME_DIRECTORY_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace nigh {

// Where the socket of the server called `name` may lie. A name with a slash in it is a path, and
// that is the one place. Any other name is one of this user's, and lies in a directory that nobody
// else may look into:
//
//   /tmp/nigh-UID           the same for all processes of a user, whatever their environment: from
//                           a login, from cron, a service, sudo
//   /run/user/UID/nigh      where that one cannot be had
//   $XDG_RUNTIME_DIR/nigh   where neither can, unless that is another user's
//
// A server takes the first that can be had, and clients look in each, in this order, so the two
// meet if they have one of them in common. /run/user/UID does not come first, because it is there
// only as long as its user is logged in: a server that begins before or goes on afterwards would
// not be found in it.
//
// UID is the effective user. INVALID_ARGUMENT: no name; the message begins with `where`.
absl::StatusOr<std::vector<std::string>> MeetingPaths(absl::string_view name,
                                                      absl::string_view where);

// Whether the directory of `path`, one of several such, is this user's alone, so that what is in it
// can be trusted. NOT_FOUND: it is not there. FAILED_PRECONDITION: it is another user's, or open to
// others. The message says which directory, and why.
absl::Status CheckDirectoryOf(const std::string& path);
// The same, but makes the directory if it is not there, and looks whether files can be made in it.
absl::Status MakeDirectoryOf(const std::string& path);

// `path` as it is from anywhere: the process may have gone elsewhere by the time it removes a file.
std::string AbsolutePath(const std::string& path);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_RENDEZVOUS_RUNTIME_DIRECTORY_H_
