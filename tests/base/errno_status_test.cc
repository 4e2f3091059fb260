#include "nigh/transport/errno_status.h"

#include <cerrno>
#include <string>

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

TEST(ErrnoStatus, AsksForTheServerOnlyWhereSomebodyDials) {
  const auto message = [](absl::string_view operation) {
    return std::string(UnavailableErrno(ENOENT, "fifo:/x", operation).message());
  };
  EXPECT_EQ(message("connect"),
            "fifo:/x: connect: No such file or directory (is the server running?)");
  EXPECT_EQ(message("connect: /y"),
            "fifo:/x: connect: /y: No such file or directory (is the server running?)");
  EXPECT_EQ(message("connect: start y"), "fifo:/x: connect: start y: No such file or directory");
  EXPECT_EQ(message("listen"),
            "fifo:/x: listen: No such file or directory (create the directory first)");
}

}  // namespace
}  // namespace nigh
