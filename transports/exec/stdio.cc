#include "nigh/transports/exec/stdio.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_process.h"
#include "nigh/transports/stream/inherited_stream.h"
#include "nigh/transports/stream/single_listener.h"
#include "nigh/transports/stream/stream_connection.h"

namespace nigh {
namespace {

constexpr int kBeyondStandard = STDERR_FILENO + 1;

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> ListenStdio(const Address& address) {
  const std::string where = address.ToString();
  if (absl::Status known = address.CheckParameters({}); !known.ok()) return known;
  if (!address.name.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("address \"", where, "\": nothing may follow (write stdio:)"));
  }
  // What was printed before goes where the rest will, not onto the wire.
  UniqueFd in = DuplicateFd(STDIN_FILENO, kBeyondStandard);
  UniqueFd out = DuplicateFd(STDOUT_FILENO, kBeyondStandard);
  if (!in || !out) return UnavailableErrno(errno, where, "listen");
  absl::StatusOr<std::unique_ptr<InheritedStream>> stream =
      InheritedStream::Make(std::move(in), std::move(out), where);
  if (!stream.ok()) {
    return absl::Status(stream.status().code(),
                        absl::StrCat(stream.status().message(),
                                     " (let a client start this program: exec:PROGRAM)"));
  }
  const UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!nothing || ::dup2(nothing.get(), STDIN_FILENO) < 0 ||
      ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
    return UnavailableErrno(errno, where, "listen");
  }
  std::fflush(stdout);
  PeerIdentity parent = {.address = where, .medium = "pipe", .pid = ::getppid()};
  return std::make_unique<SingleListener>(
      address, std::make_unique<StreamConnection>(*std::move(stream), std::move(parent),
                                                  Side::kServer, PeerProcess::OfParent()));
}

absl::StatusOr<std::unique_ptr<Connection>> DialStdio(const Address& address) {
  return absl::InvalidArgumentError(
      absl::StrCat("address \"", address.ToString(),
                   "\": a server listens there (its client dials exec:PROGRAM)"));
}

}  // namespace nigh
