#include "nigh/transports/inproc/doorbell.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

absl::StatusOr<Doorbell> Doorbell::Create(absl::string_view where) {
  UniqueFd event = UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)).KeptFromChildren();
  if (!event) return UnavailableErrno(errno, where, "eventfd");
  return Doorbell(std::move(event));
}

Wake Doorbell::Arm() {
  if (readable_) {
    eventfd_t ignored;
    ::eventfd_read(event_.get(), &ignored);
    readable_ = false;
  }
  armed_ = true;
  return Wake{.fd = event_.get(), .events = POLLIN};
}

void Doorbell::Ring() {
  if (!armed_) return;
  armed_ = false;
  readable_ = true;
  ::eventfd_write(event_.get(), 1);
}

}  // namespace nigh
