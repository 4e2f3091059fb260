#include "nigh/transports/shm/bell.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/base/unique_fd.h"

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

UniqueFd MakeBell() { return UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }

void RingOwn(const UniqueFd& bell) { (void)::eventfd_write(bell.get(), 1); }

PeerBell::PeerBell(UniqueFd eventfd, int socket, BellLetter letter)
    : socket_(socket), letter_(letter) {
  if (eventfd && IsEventfd(eventfd.get())) eventfd_ = std::move(eventfd);
}

void PeerBell::Ring() const {
  if (eventfd_) {
    (void)::eventfd_write(eventfd_.get(), 1);
  } else {
    (void)::send(socket_, &letter_, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

}  // namespace nigh
