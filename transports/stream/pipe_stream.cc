#include "nigh/transports/stream/pipe_stream.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/stream/passed_descriptors.h"

namespace nigh {
namespace {

constexpr int kPipeSize = 256 * 1024;

void IgnoreBrokenPipes() {
  struct sigaction action;
  if (::sigaction(SIGPIPE, nullptr, &action) != 0 || (action.sa_flags & SA_SIGINFO) != 0 ||
      action.sa_handler != SIG_DFL) {
    return;
  }
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

bool IsStreamSocket(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

bool IsUnixSocket(int fd) {
  int family = 0;
  socklen_t size = sizeof(family);
  return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_UNIX;
}

// `access` is O_RDONLY or O_WRONLY.
absl::Status CheckEnd(int fd, int access, absl::string_view where) {
  struct stat file;
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fstat(fd, &file) != 0) {
    return absl::UnavailableError(absl::StrCat(
        where, ": connect: descriptor ", fd,
        " is not open (was the pipe passed on to this process, and not closed on exec?)"));
  }
  if (IsStreamSocket(fd)) return absl::OkStatus();
  const int mode = flags & O_ACCMODE;
  if (!S_ISFIFO(file.st_mode) || (mode != access && mode != O_RDWR)) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, ": connect: descriptor ", fd, " is not the ", access == O_RDONLY ? "read" : "write",
        " end of a pipe, and no stream socket"));
  }
  return absl::OkStatus();
}

bool PrepareEnd(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
         ::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

}  // namespace

absl::Status PipeStream::Check(int in, int out, absl::string_view where) {
  if (absl::Status good = CheckEnd(in, O_RDONLY, where); !good.ok()) return good;
  return CheckEnd(out, O_WRONLY, where);
}

absl::StatusOr<std::unique_ptr<PipeStream>> PipeStream::Make(UniqueFd in, UniqueFd out,
                                                             absl::string_view where) {
  if (absl::Status good = Check(in.get(), out.get(), where); !good.ok()) return good;
  if (!PrepareEnd(in.get()) || !PrepareEnd(out.get())) {
    return UnavailableErrno(errno, where, "fcntl");
  }
  std::array<int, 2> ends;
  if (::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) {
    return UnavailableErrno(errno, where, "pipe");
  }
  IgnoreBrokenPipes();
  // Room for the longest frame and some more, if the system has it; a pipe holds 64 KiB as a rule.
  (void)::fcntl(out.get(), F_SETPIPE_SZ, kPipeSize);
  return std::make_unique<PipeStream>(std::move(in), std::move(out), UniqueFd(ends[0]),
                                      UniqueFd(ends[1]));
}

PipeStream::PipeStream(UniqueFd in, UniqueFd out, UniqueFd ended, UniqueFd open)
    : in_(std::move(in).KeptFromChildren()),
      out_(std::move(out).KeptFromChildren()),
      ended_(std::move(ended).KeptFromChildren()),
      open_(open.release()),
      are_unix_sockets_(IsUnixSocket(in_.get()) && IsUnixSocket(out_.get())),
      may_bring_descriptors_(IsUnixSocket(in_.get()) && !PassDescriptors(in_.get(), false)) {
  KeepFromChildren(open_);
}

// Not read(2) and write(2) of the C library: see socket_stream.cc.

ssize_t PipeStream::Read(ByteSpan to) {
  if (may_bring_descriptors_.load(std::memory_order_relaxed)) {
    ReceivedMessage received = ReceiveMessage(in_.get(), to);
    descriptors_ = std::move(received.descriptors);
    // Nobody has asked for them.
    if (descriptors_ != nullptr && !accepts_) return -EPROTO;
    return received.size == -ENOTSOCK ? 0 : received.size;  // the third pipe, at its end
  }
  for (;;) {
    const ssize_t count = ::syscall(SYS_read, in_.get(), to.data(), to.size());
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

ssize_t PipeStream::Write(ConstByteSpan from) {
  for (;;) {
    const ssize_t count = ::syscall(SYS_write, out_.get(), from.data(), from.size());
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

void PipeStream::AcceptDescriptors(std::optional<uid_t> peer) {
  peer_ = peer;
  (void)PassDescriptors(in_.get(), true);
  accepts_ = true;
  may_bring_descriptors_.store(true, std::memory_order_relaxed);
}

ssize_t PipeStream::WriteWith(ConstByteSpan from, const Descriptors& descriptors) {
  const ssize_t count = SendWithDescriptors(out_.get(), from, descriptors);
  return count == -ENOTSOCK ? -EPIPE : count;
}

void PipeStream::Shutdown() {
  // Of several threads that shut down, one does it all.
  const int open = open_.exchange(-1, std::memory_order_acq_rel);
  if (open < 0) return;
  ForgetKeptFromChildren(open);
  ::close(open);  // from now on the third pipe is at its end
  UniqueFd unread;
  if (may_bring_descriptors_.load(std::memory_order_relaxed)) {
    ::shutdown(in_.get(), SHUT_RD);
    unread = DuplicateFd(in_.get());
  }
  (void)::dup3(ended_.get(), in_.get(), O_CLOEXEC);
  (void)::dup3(ended_.get(), out_.get(), O_CLOEXEC);
  CloseElsewhere(peer_, std::move(unread));
}

}  // namespace nigh
