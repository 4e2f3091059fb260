#ifndef NIGH_TRANSPORTS_SHM_BELLS_EVENTFD_BELL_H_
#define NIGH_TRANSPORTS_SHM_BELLS_EVENTFD_BELL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/shm/bell.h"

namespace nigh {

// The sleepers' own descriptors, shared with the peer: one write(2) a ring, and no thread between.
class EventfdBell final : public OwnBell {
 public:
  explicit EventfdBell(const Sleepers& sleepers) : sleepers_(sleepers) {}

  absl::StatusOr<BellHandle> Handle() const override;
  absl::Status Listen(const std::atomic<uint32_t>& /*rung*/) override { return absl::OkStatus(); }

 private:
  const Sleepers& sleepers_;
};

class PeerEventfdBell final : public PeerBell {
 public:
  // Nothing: one of the two descriptors is no eventfd, or one that may block.
  static std::unique_ptr<PeerBell> Attach(BellHandle handle);
  PeerEventfdBell(UniqueFd data, UniqueFd room)
      : data_(std::move(data).KeptFromChildren()), room_(std::move(room).KeptFromChildren()) {}

  bool Ring(BellLetter which) override;

 private:
  const UniqueFd data_;
  const UniqueFd room_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_BELLS_EVENTFD_BELL_H_
