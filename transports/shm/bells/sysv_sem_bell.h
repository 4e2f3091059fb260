#ifndef NIGH_TRANSPORTS_SHM_BELLS_SYSV_SEM_BELL_H_
#define NIGH_TRANSPORTS_SHM_BELLS_SYSV_SEM_BELL_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/transports/shm/bell.h"
#include "nigh/transports/shm/bells/ear.h"

namespace nigh {

// A set of two System V semaphores. The first is rung. The second says whether the set's maker is
// alive: the maker adds to it, and the kernel takes that back when the maker dies (SEM_UNDO). The
// set lasts as long as the connection. The next listener removes the sets of killed processes.
class SysvSemBell final : public OwnBell {
 public:
  static absl::StatusOr<std::unique_ptr<OwnBell>> Make(const Sleepers& sleepers, int socket);
  SysvSemBell(const Sleepers& sleepers, int socket, int id);
  ~SysvSemBell() override;

  absl::StatusOr<BellHandle> Handle() const override;
  absl::Status Listen(const std::atomic<uint32_t>& rung) override { return ear_->Listen(rung); }

  // As SweepBells.
  static int Sweep();

 private:
  const BirthProcess birth_;
  const int id_;
  std::unique_ptr<Ear> ear_;  // gone before the set is
};

class PeerSysvSemBell final : public PeerBell {
 public:
  PeerSysvSemBell(const BellHandle& handle, std::atomic<uint32_t>& rung)
      : id_(static_cast<int>(handle.words[0])), rung_(rung) {}

  bool Ring(BellLetter which) override;

 private:
  const int id_;
  std::atomic<uint32_t>& rung_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_BELLS_SYSV_SEM_BELL_H_
