#ifndef NIGH_TRANSPORTS_SHM_BELLS_POSIX_SEM_BELL_H_
#define NIGH_TRANSPORTS_SHM_BELLS_POSIX_SEM_BELL_H_

#include <semaphore.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/shm/bell.h"
#include "nigh/transports/shm/bells/ear.h"
#include "nigh/transports/shm/memory.h"

namespace nigh {

// A POSIX semaphore in a page of its own that both sides write: a memfd, so that it has no name.
class PosixSemBell final : public OwnBell {
 public:
  static absl::StatusOr<std::unique_ptr<OwnBell>> Make(const Sleepers& sleepers, int socket);
  PosixSemBell(const Sleepers& sleepers, int socket, UniqueFd fd, Mapping page);

  absl::StatusOr<BellHandle> Handle() const override;
  absl::Status Listen(const std::atomic<uint32_t>& rung) override { return ear_.Listen(rung); }

 private:
  const UniqueFd fd_;
  const Mapping page_;
  Ear ear_;
};

class PeerPosixSemBell final : public PeerBell {
 public:
  // Nothing: the descriptor is no page of sealed memory.
  static std::unique_ptr<PeerBell> Attach(const BellHandle& handle, std::atomic<uint32_t>& rung);
  PeerPosixSemBell(Mapping page, std::atomic<uint32_t>& rung)
      : page_(std::move(page)), rung_(rung) {}

  bool Ring(BellLetter which) override;

 private:
  const Mapping page_;
  std::atomic<uint32_t>& rung_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_BELLS_POSIX_SEM_BELL_H_
