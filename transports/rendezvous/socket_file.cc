#include "nigh/transports/rendezvous/socket_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <random>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nigh/runtime/base/uninterrupted.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_process.h"
#include "nigh/transports/rendezvous/runtime_directory.h"
#include "nigh/transports/rendezvous/socket_name.h"

namespace nigh {
namespace {

absl::Status ListenError(int error_number, absl::string_view where, absl::string_view remedy) {
  return absl::Status(
      absl::ErrnoToStatusCode(error_number),
      absl::StrCat(where, ": listen: ", std::generic_category().message(error_number), remedy));
}

absl::Status BindError(int error_number, absl::string_view where, const std::string& directory) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return ListenError(
          error_number, where,
          absl::StrCat(" (create the directory ", directory, ", or choose another path)"));
    case EACCES:
    case EPERM:
    case EROFS:
      return ListenError(error_number, where,
                         absl::StrCat(" (this process may not create files in ", directory, ")"));
    default:
      return ListenError(error_number, where, "");
  }
}

// Long enough for any number of servers that start at once. Without the lock, of two that take a
// stale socket over at the same moment the first may lose its file, and hears of that (IsLost).
UniqueFd LockDirectory(const std::string& directory) {
  UniqueFd lock(
      Uninterrupted([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  constexpr absl::Duration kPause = absl::Milliseconds(1);
  constexpr int kAttempts = 1000;
  for (int attempt = 0; lock && attempt < kAttempts; ++attempt) {
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) break;
    if (errno != EWOULDBLOCK && errno != EINTR) break;
    absl::SleepFor(kPause);
  }
  return lock;
}

// The abstract name of a socket that asks, up to a random number.
constexpr absl::string_view kQuestion = "nigh-question-";

// Whether the process has died that listens at `path` with a socket of that type.
bool ListenerHasDied(const SocketName& name, int type) {
  const UniqueFd probe(::socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  std::random_device random;
  const SocketName own = MakeSocketName(
      absl::StrCat(kQuestion, absl::Hex(random()), ".", ::getpid()), SocketNameKind::kAbstract);
  return probe && ::bind(probe.get(), own.get(), own.size) == 0 &&
         ::connect(probe.get(), name.get(), name.size) == 0 &&
         PeerProcess::OfSocket(probe.get()).HasDied();
}

// A socket of a type that no server here has.
UniqueFd MakeProbe() {
  return UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// What connect(2) says to `probe`: EPROTOTYPE, a socket listens there; ECONNREFUSED, none does.
int AskForListener(const UniqueFd& probe, const SocketName& name) {
  return ::connect(probe.get(), name.get(), name.size) == 0 ? 0 : errno;
}

// Removes `path` if it is a socket that nobody listens on, or of a process that has died. `type`:
// what a server there has. OK: there is no such file any more.
absl::Status RemoveStale(const std::string& path, int type, absl::string_view where) {
  struct stat file;
  if (::lstat(path.c_str(), &file) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ListenError(errno, where, "");
  }
  if (!S_ISSOCK(file.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(where,
                     ": listen: a file that is not a socket is in the way (remove it, or "
                     "choose another path)"));
  }
  const SocketName name = MakeSocketName(path, SocketNameKind::kPath);
  const UniqueFd probe = MakeProbe();
  if (!probe) return ListenError(errno, where, " (create a socket)");
  const int answer = AskForListener(probe, name);
  if (answer == ENOENT) return absl::OkStatus();
  if (answer == EACCES) {
    return ListenError(answer, where, " (the socket there belongs to another user)");
  }
  if (answer != ECONNREFUSED && !ListenerHasDied(name, type)) {
    return absl::AlreadyExistsError(
        absl::StrCat(where, ": listen: a live server is there (stop it, or choose another path)"));
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ListenError(errno, where, " (remove the stale socket)");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SocketFile> SocketFile::Bind(int socket, const std::string& path,
                                            absl::string_view address, const Access& access) {
  absl::StatusOr<SocketName> name = CheckSocketName(path, SocketNameKind::kPath, address);
  if (!name.ok()) return name.status();
  std::string absolute = AbsolutePath(path);
  const std::string directory = std::filesystem::path(absolute).parent_path().string();

  int type = SOCK_STREAM;
  socklen_t size = sizeof(type);
  (void)::getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size);

  // bind(2) gives the file the socket's own mode, less the umask.
  (void)::fchmod(socket, 0600);
  UniqueFd lock;
  // Each further turn means that another server came or went in between.
  constexpr int kTurns = 100;
  for (int turn = 0; ::bind(socket, name->get(), name->size) != 0; ++turn) {
    if (errno != EADDRINUSE || turn == kTurns) return BindError(errno, address, directory);
    if (turn == 0) lock = LockDirectory(directory);
    if (absl::Status status = RemoveStale(path, type, address); !status.ok()) return status;
  }
  struct stat made;
  if (::lstat(path.c_str(), &made) != 0) return ListenError(errno, address, "");
  SocketFile file(std::move(absolute), made.st_dev, made.st_ino);
  // Not by its path, which others may have put something else at by now.
  const UniqueFd itself(
      Uninterrupted([&] { return ::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC); }));
  if (!itself) return ListenError(errno, address, "");
  if (file.IsLost() || ::fstat(itself.get(), &made) != 0 || made.st_ino != file.inode_) {
    return absl::UnavailableError(
        absl::StrCat(address, ": listen: somebody has removed the socket's file"));
  }
  if (absl::Status applied = access.ApplyTo(itself.get(), address); !applied.ok()) return applied;
  return file;
}

bool SocketFile::IsServed(const std::string& path, int type) {
  if (path.size() > kMaxSocketName) return false;
  const SocketName name = MakeSocketName(path, SocketNameKind::kPath);
  const UniqueFd probe = MakeProbe();
  return probe && AskForListener(probe, name) == EPROTOTYPE && !ListenerHasDied(name, type);
}

bool SocketFile::IsQuestion(int socket) {
  sockaddr_un peer = {};
  socklen_t size = sizeof(peer);
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return false;
  constexpr size_t kNameAt = offsetof(sockaddr_un, sun_path) + 1;  // behind a NUL
  return size > kNameAt && peer.sun_path[0] == '\0' &&
         absl::StartsWith(absl::string_view(peer.sun_path + 1, size - kNameAt), kQuestion);
}

SocketFile::SocketFile(std::string path, dev_t device, ino_t inode)
    : path_(std::move(path)), device_(device), inode_(inode) {}

SocketFile::SocketFile(SocketFile&& other) noexcept
    : birth_(other.birth_),
      path_(std::exchange(other.path_, std::string())),
      device_(other.device_),
      inode_(other.inode_) {}

SocketFile::~SocketFile() {
  if (!path_.empty() && birth_.is_this() && !IsLost()) ::unlink(path_.c_str());
}

bool SocketFile::IsLost() const {
  struct stat file;
  return ::lstat(path_.c_str(), &file) != 0 || file.st_dev != device_ || file.st_ino != inode_;
}

}  // namespace nigh
