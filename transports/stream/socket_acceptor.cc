#include "nigh/transports/stream/socket_acceptor.h"

#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {
namespace {

UniqueFd AcceptOnce(int listening) {
  return UniqueFd(::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC))
      .KeptFromChildren();
}

}  // namespace

SocketAcceptor::SocketAcceptor(UniqueFd listening, absl::string_view address)
    : listening_(std::move(listening).KeptFromChildren()),
      reserve_(DuplicateFd(listening_.get()).KeptFromChildren()),
      address_(address) {}

absl::StatusOr<UniqueFd> SocketAcceptor::Accept() {
  UniqueFd accepted = AcceptOnce(listening_.get());
  if (accepted) return accepted;
  switch (errno) {
    case EBADF:
    case EFAULT:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP:
      return UnavailableErrno(errno, address_, "accept");
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: {
      const int error = errno;
      if (!TurnAway()) return UniqueFd();
      return absl::ResourceExhaustedError(
          absl::StrCat(address_, ": accept: ", std::generic_category().message(error),
                       " (a client was turned away; raise the limit on descriptors, ulimit -n)"));
    }
    default:
      // Nobody is there, or accept(2) passes on an error of the connection that it took from the
      // queue: the next one may be fine.
      return UniqueFd();
  }
}

bool SocketAcceptor::TurnAway() {
  reserve_.reset();
  UniqueFd turned_away = AcceptOnce(listening_.get());
  const bool came = turned_away || errno != EAGAIN;
  const bool stuck = came && !turned_away;
  turned_away.reset();
  reserve_ = DuplicateFd(listening_.get()).KeptFromChildren();
  if (!stuck) return came;
  // Another thread took the descriptor, or it is memory that has run out. There is nothing to wait
  // for; pausing keeps the poller from using up the CPU that others need to free something.
  absl::SleepFor(absl::Milliseconds(1));
  return true;
}

}  // namespace nigh
