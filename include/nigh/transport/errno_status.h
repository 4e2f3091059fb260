#ifndef NIGH_TRANSPORT_ERRNO_STATUS_H_
#define NIGH_TRANSPORT_ERRNO_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/api.h"

namespace nigh {

// Returns a status with `code` that reads "WHERE: OPERATION: what errno says (remedy)". The remedy
// is there if the error number suggests one:
//
//   unix:/run/x.sock: connect: Connection refused (is the server running?)
//
// Whoever dials says "connect" or "connect: /PATH", and whoever listens "listen".
NIGH_API absl::Status ErrnoStatus(absl::StatusCode code, int error_number, absl::string_view where,
                                  absl::string_view operation);

// The same with UNAVAILABLE, which the caller of a remote method sees when the medium fails.
inline absl::Status UnavailableErrno(int error_number, absl::string_view where,
                                     absl::string_view operation) {
  return ErrnoStatus(absl::StatusCode::kUnavailable, error_number, where, operation);
}

}  // namespace nigh

#endif  // NIGH_TRANSPORT_ERRNO_STATUS_H_
