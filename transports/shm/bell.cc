#include "nigh/transports/shm/bell.h"

#include <sys/eventfd.h>
#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/shm/bells/eventfd_bell.h"
#include "nigh/transports/shm/bells/futex_bell.h"
#include "nigh/transports/shm/bells/posix_sem_bell.h"
#include "nigh/transports/shm/bells/signal_bell.h"
#include "nigh/transports/shm/bells/sysv_sem_bell.h"

namespace nigh {

absl::string_view BellKindName(BellKind kind) {
  switch (kind) {
    case BellKind::kLetter:
      return "letter";
    case BellKind::kEventfd:
      return "eventfd";
    case BellKind::kFutex:
      return "futex";
    case BellKind::kPosixSem:
      return "posix-sem";
    case BellKind::kSysvSem:
      return "sysv-sem";
    case BellKind::kSignal:
      return "signal";
  }
  return "unknown";
}

std::optional<BellKind> ParseBellKind(absl::string_view name) {
  for (const BellKind kind : {BellKind::kEventfd, BellKind::kFutex, BellKind::kPosixSem,
                              BellKind::kSysvSem, BellKind::kSignal}) {
    if (name == BellKindName(kind)) return kind;
  }
  return std::nullopt;
}

Sleepers::Sleepers()
    : data_(UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)).KeptFromChildren()),
      room_(UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)).KeptFromChildren()) {}

void Sleepers::Wake(BellLetter which) const { (void)::eventfd_write(fd(which), 1); }

size_t BellDescriptors(BellKind kind) {
  if (kind == BellKind::kEventfd) return 2;
  return kind == BellKind::kPosixSem ? 1 : 0;
}

size_t BellWords(BellKind kind) {
  if (kind == BellKind::kSignal) return 3;
  return kind == BellKind::kSysvSem ? 1 : 0;
}

absl::StatusOr<std::unique_ptr<OwnBell>> MakeBell(BellKind kind, const Sleepers& sleepers,
                                                  int socket) {
  switch (kind) {
    case BellKind::kEventfd:
      return std::make_unique<EventfdBell>(sleepers);
    case BellKind::kFutex:
      return std::make_unique<FutexBell>(sleepers, socket);
    case BellKind::kPosixSem:
      return PosixSemBell::Make(sleepers, socket);
    case BellKind::kSysvSem:
      return SysvSemBell::Make(sleepers, socket);
    case BellKind::kSignal:
      return SignalBell::Make(sleepers);
    case BellKind::kLetter:
      break;
  }
  return absl::InvalidArgumentError("no such kind of bell");
}

std::unique_ptr<PeerBell> AttachBell(BellHandle handle, std::atomic<uint32_t>& rung,
                                     std::optional<pid_t> peer) {
  switch (handle.kind) {
    case BellKind::kEventfd:
      return PeerEventfdBell::Attach(std::move(handle));
    case BellKind::kFutex:
      return std::make_unique<PeerFutexBell>(rung);
    case BellKind::kPosixSem:
      return PeerPosixSemBell::Attach(handle, rung);
    case BellKind::kSysvSem:
      return std::make_unique<PeerSysvSemBell>(handle, rung);
    case BellKind::kSignal:
      return PeerSignalBell::Attach(handle, peer);
    case BellKind::kLetter:
      break;
  }
  return nullptr;
}

int SweepBells(BellKind kind) { return kind == BellKind::kSysvSem ? SysvSemBell::Sweep() : 0; }

}  // namespace nigh
