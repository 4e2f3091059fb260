#include "nigh/transports/rendezvous/claimed_name.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {
namespace {

// Of the first byte, which need not be there. Media may lock others.
struct flock OwnersByte(short type) {
  return {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1, .l_pid = 0};
}

bool AreTheSame(int one, int other) {
  struct stat a;
  struct stat b;
  return ::fstat(one, &a) == 0 && ::fstat(other, &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

}  // namespace

absl::StatusOr<ClaimedName> ClaimedName::Claim(const NameSpace& space, const std::string& name,
                                               absl::string_view where, const Access& access) {
  // Each further turn means that another owner has just removed the name.
  constexpr int kTurns = 100;
  for (int turn = 0; turn < kTurns; ++turn) {
    UniqueFd fd = space.open(name, /*make=*/true);
    if (!fd) {
      return ErrnoStatus(absl::ErrnoToStatusCode(errno), errno, where, "listen");
    }
    struct stat object;
    if (::fstat(fd.get(), &object) != 0 || object.st_uid != ::geteuid()) {
      return absl::FailedPreconditionError(absl::StrCat(
          where, ": listen: what is there belongs to another user (choose another name)"));
    }
    if (!Lock(fd.get())) {
      if (errno != EAGAIN && errno != EACCES) {
        return ErrnoStatus(absl::ErrnoToStatusCode(errno), errno, where, "listen: lock");
      }
      return absl::AlreadyExistsError(absl::StrCat(
          where, ": listen: a live server is there (stop it, or choose another name)"));
    }
    // Watched first: whatever happens to the name from now on is seen.
    ClaimedName claimed(space, name, std::move(fd));
    if (!claimed.HasName()) continue;
    if (absl::Status applied = access.ApplyTo(claimed.fd(), where); !applied.ok()) return applied;
    return claimed;
  }
  return absl::UnavailableError(
      absl::StrCat(where, ": listen: the name is made and removed all the time by others"));
}

ClaimedName::ClaimedName(NameSpace space, std::string name, UniqueFd fd)
    : space_(std::move(space)),
      name_(std::move(name)),
      fd_(std::move(fd).KeptFromChildren()),
      watch_(NameWatch::OfObject(fd_.get())) {}

ClaimedName::~ClaimedName() {
  if (!fd_ || !birth_.is_this()) return;
  // The lock is held until the descriptor is closed: nobody else can have taken the name, unless
  // somebody has removed it first.
  if (HasName()) space_.unlink(name_);
}

bool ClaimedName::HasName() const {
  const UniqueFd again = space_.open(name_, /*make=*/false);
  if (again) return AreTheSame(fd_.get(), again.get());
  const bool unknown = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
  struct stat object;
  return unknown && ::fstat(fd_.get(), &object) == 0 && object.st_nlink != 0;
}

absl::Status ClaimedName::CheckWatch(absl::string_view where) {
  if (!watch_.Stirred() || HasName()) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(where, ": accept: somebody has removed ", name_,
                                          ", or put something else in its place"));
}

bool ClaimedName::Lock(int fd) {
  struct flock lock = OwnersByte(F_WRLCK);
  return ::fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

bool ClaimedName::IsClaimed(int fd) {
  struct flock lock = OwnersByte(F_RDLCK);
  return ::fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

}  // namespace nigh
