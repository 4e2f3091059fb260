#ifndef NIGH_TRANSPORTS_RENDEZVOUS_RUNTIME_DIRECTORY_H_
#define NIGH_TRANSPORTS_RENDEZVOUS_RUNTIME_DIRECTORY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace nigh {

// Where the socket of the server called `name` lies. A name with a slash in it is a path and stays
// as it is. Any other lies in this user's runtime directory: $XDG_RUNTIME_DIR/nigh or, where that
// is not set, /tmp/nigh-UID. The directory is made if it is not there, and nobody else may look
// into it.
//
// INVALID_ARGUMENT: no name. FAILED_PRECONDITION: the directory is another user's, or open to
// others. Another code: what the system says. Messages begin with `where`.
absl::StatusOr<std::string> MeetingPath(absl::string_view name, absl::string_view where);

// `path` as it is from anywhere: the process may have gone elsewhere by the time it removes a file.
std::string AbsolutePath(const std::string& path);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_RENDEZVOUS_RUNTIME_DIRECTORY_H_
