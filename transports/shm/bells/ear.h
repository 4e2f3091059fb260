#ifndef NIGH_TRANSPORTS_SHM_BELLS_EAR_H_
#define NIGH_TRANSPORTS_SHM_BELLS_EAR_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>

#include "absl/status/status.h"
#include "nigh/transports/shm/bell.h"

namespace nigh {

// A thread that waits by blocking, for a bell that cannot be polled, and wakes the sleeper whose
// ring it heard. It costs nothing while nobody rings.
class Ear {
 public:
  // `block(heard)` returns when the peer has rung more often than `heard`, or for no reason; false:
  // it never will again, and `socket` is shut down. `unblock` makes it return, sooner or later.
  Ear(const Sleepers& sleepers, int socket, std::function<bool(uint32_t heard)> block,
      std::function<void()> unblock)
      : sleepers_(sleepers),
        socket_(socket),
        block_(std::move(block)),
        unblock_(std::move(unblock)) {}
  ~Ear();

  // Begins to listen; `rung` is counted up before each ring. UNAVAILABLE: the system has no thread.
  absl::Status Listen(const std::atomic<uint32_t>& rung);

 private:
  void Run(const std::atomic<uint32_t>& rung);

  const Sleepers& sleepers_;
  const int socket_;
  const std::function<bool(uint32_t)> block_;
  const std::function<void()> unblock_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> stopped_ = false;
  std::thread thread_;
};

// Counts a ring, for an Ear to hear.
void CountRing(std::atomic<uint32_t>& rung, BellLetter which);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_BELLS_EAR_H_
