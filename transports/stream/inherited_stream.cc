#include "nigh/transports/stream/inherited_stream.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/base/epoll_set.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/stream/byte_stream.h"
#include "nigh/transports/stream/pipe_stream.h"

namespace nigh {

absl::StatusOr<std::unique_ptr<InheritedStream>> InheritedStream::Make(UniqueFd in, UniqueFd out,
                                                                       absl::string_view where) {
  absl::StatusOr<std::unique_ptr<PipeStream>> pipes =
      PipeStream::Make(std::move(in), std::move(out), where);
  if (!pipes.ok()) return pipes.status();
  UniqueFd readable(::epoll_create1(EPOLL_CLOEXEC));
  UniqueFd writable(::epoll_create1(EPOLL_CLOEXEC));
  if (!readable || !writable || !AddToEpollSet(readable.get(), (*pipes)->read_fd()) ||
      !AddToEpollSet(writable.get(), (*pipes)->write_fd(), EPOLLOUT)) {
    return UnavailableErrno(errno, where, "epoll_create");
  }
  return std::make_unique<InheritedStream>(*std::move(pipes), std::move(readable),
                                           std::move(writable));
}

InheritedStream::InheritedStream(std::unique_ptr<ByteStream> pipes, UniqueFd readable,
                                 UniqueFd writable)
    : ForwardingStream(std::move(pipes)),
      readable_(std::move(readable).KeptFromChildren()),
      writable_(std::move(writable).KeptFromChildren()) {}

void InheritedStream::Shutdown() {
  ForwardingStream::Shutdown();
  // Whoever polls one of these is woken by the end from now on (PipeStream).
  (void)::dup3(end_fd(), readable_.get(), O_CLOEXEC);
  (void)::dup3(end_fd(), writable_.get(), O_CLOEXEC);
}

}  // namespace nigh
