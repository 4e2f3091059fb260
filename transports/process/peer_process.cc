#include "nigh/transports/process/peer_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/epoll_set.h"
#include "nigh/runtime/base/pidfd.h"
#include "nigh/runtime/base/uninterrupted.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/proc.h"

namespace nigh {
namespace {

// Of Linux 6.5, newer than the C library's headers: include/uapi/asm-generic/socket.h.
constexpr int kPeerPidfd = 77;

// struct pidfd_info of Linux 6.13, include/uapi/linux/pidfd.h; exit_code is filled in since 6.15.
struct PidfdInfo {
  uint64_t mask = 0;
  uint64_t cgroup = 0;
  std::array<uint32_t, 11> ids = {};
  int32_t exit_code = 0;
};
constexpr uint64_t kInfoExit = uint64_t{1} << 3;
constexpr unsigned long kGetInfo = _IOWR(0xff, 11, PidfdInfo);

// A dying process's descriptors are closed a moment before it can be told dead; and a process that
// is about to exit may have closed them itself.
constexpr absl::Duration kBetweenEndAndDeath = absl::Milliseconds(100);
// For one that is known to be dying. It may have much memory, and others may have its CPU.
constexpr absl::Duration kToDie = absl::Seconds(5);

bool IsReadable(int fd, absl::Duration patience) {
  pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
  const auto millis = static_cast<int>(absl::ToInt64Milliseconds(patience));
  return fd >= 0 && Uninterrupted([&] { return ::poll(&entry, 1, millis); }) > 0;
}

// The number of a process that is not reaped, in this process's namespace. None, too, where there
// is no descriptor.
std::optional<pid_t> NumberOf(int pidfd) {
  const std::string text = ReadProc(absl::StrCat("/proc/self/fdinfo/", pidfd));
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    pid_t number = -1;
    if (absl::ConsumePrefix(&line, "Pid:") && absl::SimpleAtoi(line, &number) && number > 0) {
      return number;
    }
  }
  return std::nullopt;
}

// The fields of proc(5)'s stat, from the third on: the state. None: there is no such process.
std::vector<std::string> StatOf(pid_t number) {
  const std::string text = ReadProc(absl::StrCat("/proc/", number, "/stat"));
  // Its name may have anything in it.
  const size_t name_ends = text.rfind(')');
  if (name_ends == std::string::npos) return {};
  return absl::StrSplit(absl::string_view(text).substr(name_ends + 1), absl::ByAnyChar(" \n"),
                        absl::SkipEmpty());
}

// No process has this number.
constexpr pid_t kNobody = -1;

// Whether it is on its way through the kernel's exit.
bool IsDying(pid_t number) {
  constexpr size_t kFlags = 9 - 3;
  constexpr uint32_t kExiting = 4;  // PF_EXITING, include/linux/sched.h
  const std::vector<std::string> fields = StatOf(number);
  uint32_t flags = 0;
  return fields.size() > kFlags && absl::SimpleAtoi(fields[kFlags], &flags) &&
         (flags & kExiting) != 0;
}

// The last field of proc(5)'s stat, of a process that has died and is not reaped.
std::optional<int> StatusOfUnreaped(pid_t number, bool may_look) {
  const std::vector<std::string> fields = StatOf(number);
  int status = 0;
  // 0 may mean that this user is not told.
  if (fields.empty() || fields[0] != "Z" || !absl::SimpleAtoi(fields.back(), &status) ||
      (status == 0 && !may_look)) {
    return std::nullopt;
  }
  return status;
}

// Whether this user is told all of a process. False where that is not known.
bool MayLookAt(int pidfd) {
  PidfdInfo info;
  constexpr size_t kEffectiveUser = 5;
  return ::geteuid() == 0 ||
         (::ioctl(pidfd, kGetInfo, &info) == 0 && info.ids[kEffectiveUser] == ::geteuid());
}

std::shared_ptr<const UniqueFd> Share(UniqueFd pidfd) {
  return std::make_shared<const UniqueFd>(std::move(pidfd).KeptFromChildren());
}

UniqueFd OpenPidfd(pid_t number) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, number, 0)));
}

}  // namespace

std::optional<int> StatusOfReaped(int pidfd) {
  PidfdInfo info;
  info.mask = kInfoExit;
  if (::ioctl(pidfd, kGetInfo, &info) != 0 || (info.mask & kInfoExit) == 0) return std::nullopt;
  return info.exit_code;
}

std::string DescribeWaitStatus(int status) {
  if (WIFSIGNALED(status)) {
    return absl::StrCat("was killed by signal ", WTERMSIG(status), " (",
                        ::strsignal(WTERMSIG(status)), ")");
  }
  return absl::StrCat("exited with status ", WEXITSTATUS(status));
}

PeerProcess::PeerProcess(UniqueFd pidfd)
    : first_(pidfd ? Share(std::move(pidfd)) : nullptr), fd_(first_ ? first_->get() : -1) {}

PeerProcess::PeerProcess(PeerProcess&& other) noexcept
    : first_(std::move(other.first_)),
      second_(std::move(other.second_)),
      fd_(other.fd_.exchange(-1, std::memory_order_relaxed)) {}

PeerProcess PeerProcess::OfSocket(int socket) {
  int pidfd = -1;
  socklen_t size = sizeof(pidfd);
  if (::getsockopt(socket, SOL_SOCKET, kPeerPidfd, &pidfd, &size) == 0) {
    return PeerProcess(UniqueFd(pidfd));
  }
  PeerProcess unwatched;
  ucred credentials = {};
  size = sizeof(credentials);
  switch (errno) {
    case ESRCH:
    case EINVAL:
      // It has been reaped, which only newer kernels have a pidfd for.
      unwatched.fd_ = kGone;
      return unwatched;
    case ENOPROTOOPT:
      if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 &&
          credentials.pid > 0) {
        UniqueFd process = OpenPidfd(credentials.pid);
        if (process) return PeerProcess(std::move(process));
        if (errno == ESRCH) unwatched.fd_ = kGone;
      }
      return unwatched;
    default:
      return unwatched;
  }
}

PeerProcess PeerProcess::OfParent() {
  const pid_t parent = ::getppid();
  // It is of another namespace.
  if (parent == 0) return PeerProcess();
  PeerProcess found(OpenPidfd(parent));
  // Its number may have been another's by then.
  if (::getppid() != parent) found.fd_ = kGone;
  return found;
}

bool PeerProcess::Become(UniqueFd pidfd, int ends) {
  if (!pidfd || second_ || AreOfOneProcess(pidfd.get(), fd())) return true;
  // Before the former one is forgotten, which nobody polls from then on.
  if (!AddToEpollSet(ends, pidfd.get())) return false;
  if (fd() >= 0) ::epoll_ctl(ends, EPOLL_CTL_DEL, fd(), nullptr);
  second_ = Share(std::move(pidfd));
  fd_.store(second_->get(), std::memory_order_release);
  return true;
}

bool PeerProcess::HasDied() const {
  const int fd = fd_.load(std::memory_order_acquire);
  return fd == kGone || IsReadable(fd, absl::ZeroDuration());
}

std::string PeerProcess::Obituary(absl::Duration patience) const {
  const int pidfd = fd();
  const std::optional<pid_t> number = NumberOf(pidfd);
  if (fd_.load(std::memory_order_acquire) != kGone && !IsReadable(pidfd, patience)) {
    const bool waits = patience > absl::ZeroDuration() && IsDying(number.value_or(kNobody));
    if (!waits || !IsReadable(pidfd, kToDie)) return "";
  }
  std::optional<int> status;
  if (number.has_value()) status = StatusOfUnreaped(*number, MayLookAt(pidfd));
  if (!status.has_value() && pidfd >= 0) status = StatusOfReaped(pidfd);
  return absl::StrCat(
      "the peer's process ", number.has_value() ? absl::StrCat("(", *number, ") ") : "",
      status.has_value() ? DescribeWaitStatus(*status) : "has died; the system does not tell how");
}

std::string PeerProcess::Obituary(Side side, Interest direction) const {
  MutexLock lock(mutex_);
  if (!obituary_.has_value()) {
    // Nobody waits for the clients of a server to die, and no sender does, who holds a lock.
    const bool waits = side == Side::kClient && direction == Interest::kReceive;
    obituary_ = Obituary(waits ? kBetweenEndAndDeath : absl::ZeroDuration());
  }
  return *obituary_;
}

}  // namespace nigh
