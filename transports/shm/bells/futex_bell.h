#ifndef NIGH_TRANSPORTS_SHM_BELLS_FUTEX_BELL_H_
#define NIGH_TRANSPORTS_SHM_BELLS_FUTEX_BELL_H_

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/transports/shm/bell.h"
#include "nigh/transports/shm/bells/ear.h"

namespace nigh {

// futex(2) on the ringer's count of rings. It is the one bell for which neither side writes what is
// the other's: the kernel lets a thread sleep on memory that it can only read.
class FutexBell final : public OwnBell {
 public:
  FutexBell(const Sleepers& sleepers, int socket);

  absl::StatusOr<BellHandle> Handle() const override {
    return BellHandle{.kind = BellKind::kFutex};
  }
  absl::Status Listen(const std::atomic<uint32_t>& rung) override;

 private:
  const std::atomic<uint32_t>* rung_ = nullptr;
  Ear ear_;
};

class PeerFutexBell final : public PeerBell {
 public:
  explicit PeerFutexBell(std::atomic<uint32_t>& rung) : rung_(rung) {}

  bool Ring(BellLetter which) override;

 private:
  std::atomic<uint32_t>& rung_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_BELLS_FUTEX_BELL_H_
