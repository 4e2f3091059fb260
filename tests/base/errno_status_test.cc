#include "nigh/transport/errno_status.h"

#include <cerrno>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace nigh {
namespace {

TEST(ErrnoStatus, NamesObjectOperationAndAnswer) {
  EXPECT_EQ(ErrnoStatus(absl::StatusCode::kInternal, EIO, "unix:/x", "send"),
            absl::InternalError("unix:/x: send: Input/output error"));
}

TEST(ErrnoStatus, SuggestsARemedyWhereThereIsOne) {
  EXPECT_EQ(
      UnavailableErrno(ECONNREFUSED, "unix:/x", "connect"),
      absl::UnavailableError("unix:/x: connect: Connection refused (is the server running?)"));
  EXPECT_EQ(UnavailableErrno(EMFILE, "unix:/x", "socket"),
            absl::UnavailableError("unix:/x: socket: Too many open files (raise the limit on open "
                                   "files, ulimit -n)"));
}

}  // namespace
}  // namespace nigh
