#include "nigh/transports/shm/bells/futex_bell.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>

#include "absl/status/status.h"
#include "nigh/transports/shm/bell.h"
#include "nigh/transports/shm/bells/ear.h"

namespace nigh {
namespace {

// Between processes, and so without FUTEX_PRIVATE_FLAG.
long Futex(const std::atomic<uint32_t>& word, int operation, uint32_t value) {
  return ::syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

}  // namespace

FutexBell::FutexBell(const Sleepers& sleepers, int socket)
    : ear_(
          sleepers, socket,
          [this](uint32_t heard) {
            return Futex(*rung_, FUTEX_WAIT, heard) == 0 || errno == EAGAIN || errno == EINTR;
          },
          [this] { Futex(*rung_, FUTEX_WAKE, INT_MAX); }) {}

absl::Status FutexBell::Listen(const std::atomic<uint32_t>& rung) {
  rung_ = &rung;
  return ear_.Listen(rung);
}

bool PeerFutexBell::Ring(BellLetter which) {
  CountRing(rung_, which);
  return Futex(rung_, FUTEX_WAKE, INT_MAX) >= 0;
}

}  // namespace nigh
