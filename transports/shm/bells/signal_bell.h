#ifndef NIGH_TRANSPORTS_SHM_BELLS_SIGNAL_BELL_H_
#define NIGH_TRANSPORTS_SHM_BELLS_SIGNAL_BELL_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/transports/shm/bell.h"

namespace nigh {

class SignalEar;

// A queued real-time signal, sent to one thread of the process. That thread has it blocked and
// takes it by signalfd(2): the program's own threads, signal masks and handlers have nothing to do
// with it. One such thread serves all bells of the process and ends with the last of them. The
// signal's value says which bell is meant.
class SignalBell final : public OwnBell {
 public:
  static absl::StatusOr<std::unique_ptr<OwnBell>> Make(const Sleepers& sleepers);
  SignalBell(std::shared_ptr<SignalEar> ear, const Sleepers& sleepers);
  ~SignalBell() override;

  absl::StatusOr<BellHandle> Handle() const override;
  absl::Status Listen(const std::atomic<uint32_t>& /*rung*/) override { return absl::OkStatus(); }

 private:
  const std::shared_ptr<SignalEar> ear_;
  const uint32_t key_;
};

class PeerSignalBell final : public PeerBell {
 public:
  // Nothing: `peer` is another process than the handle names, or is of another namespace.
  static std::unique_ptr<PeerBell> Attach(const BellHandle& handle, std::optional<pid_t> peer);
  PeerSignalBell(pid_t process, pid_t thread, uint32_t key)
      : process_(process), thread_(thread), key_(key) {}

  bool Ring(BellLetter which) override;

 private:
  const pid_t process_;
  const pid_t thread_;
  const uint32_t key_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_BELLS_SIGNAL_BELL_H_
