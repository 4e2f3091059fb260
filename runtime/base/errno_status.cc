#include "nigh/transport/errno_status.h"

#include <cerrno>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace nigh {
namespace {

// What is not there, where nothing has the name that somebody dials or listens at.
absl::string_view RemedyOfAbsence(absl::string_view operation) {
  if (operation == "connect" || absl::StartsWith(operation, "connect: /")) {
    return " (is the server running?)";
  }
  if (absl::StartsWith(operation, "listen")) return " (create the directory first)";
  return "";
}

absl::string_view Remedy(int error_number, absl::string_view operation) {
  switch (error_number) {
    case ECONNREFUSED:
      return " (is the server running?)";
    case ENOENT:
      return RemedyOfAbsence(operation);
    case EADDRINUSE:
      return " (is another server listening there?)";
    case EACCES:
    case EPERM:
      return " (check the permissions and the user this process runs as)";
    case EMFILE:
    case ENFILE:
      return " (raise the limit on open files, ulimit -n)";
    case EFBIG:
      return " (raise the limit on the size of files, ulimit -f)";
    case ETOOMANYREFS:
      return " (this process's user has more descriptors on their way, to all receivers, than its "
             "limit, ulimit -n: somebody does not read)";
    case ENAMETOOLONG:
      return " (use a shorter path)";
    default:
      return "";
  }
}

}  // namespace

absl::Status ErrnoStatus(absl::StatusCode code, int error_number, absl::string_view where,
                         absl::string_view operation) {
  return absl::Status(code, absl::StrCat(where, ": ", operation, ": ",
                                         std::generic_category().message(error_number),
                                         Remedy(error_number, operation)));
}

}  // namespace nigh
