#include "nigh/transports/shm/bells/eventfd_bell.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/shm/bell.h"

namespace nigh {
namespace {

// A pipe or a terminal in its place could block the writer, or kill it.
bool IsEventfd(int fd) {
  std::array<char, 64> target;
  const ssize_t size =
      ::readlink(absl::StrCat("/proc/self/fd/", fd).c_str(), target.data(), target.size());
  return size > 0 &&
         absl::string_view(target.data(), static_cast<size_t>(size)) == "anon_inode:[eventfd]" &&
         (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

}  // namespace

absl::StatusOr<BellHandle> EventfdBell::Handle() const {
  BellHandle handle = {.kind = BellKind::kEventfd};
  for (const BellLetter which : {BellLetter::kData, BellLetter::kRoom}) {
    UniqueFd fd = DuplicateFd(sleepers_.fd(which));
    if (!fd) return UnavailableErrno(errno, "eventfd", "dup");
    handle.fds.push_back(std::move(fd));
  }
  return handle;
}

std::unique_ptr<PeerBell> PeerEventfdBell::Attach(BellHandle handle) {
  if (!IsEventfd(handle.fds[0].get()) || !IsEventfd(handle.fds[1].get())) return nullptr;
  return std::make_unique<PeerEventfdBell>(std::move(handle.fds[0]), std::move(handle.fds[1]));
}

bool PeerEventfdBell::Ring(BellLetter which) {
  return ::eventfd_write((which == BellLetter::kData ? data_ : room_).get(), 1) == 0;
}

}  // namespace nigh
