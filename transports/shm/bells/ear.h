#ifndef NIGH_TRANSPORTS_SHM_BELLS_EAR_H_
#define NIGH_TRANSPORTS_SHM_BELLS_EAR_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>

#include "absl/status/status.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/transports/shm/bell.h"

namespace nigh {

// A thread that blocks on a bell that cannot be polled, and wakes the sleeper that a ring is meant
// for. It sleeps while nobody rings.
class Ear {
 public:
  // `block(heard)` returns when the peer has rung more often than `heard`, or for no reason. When
  // it returns false, it can never wait again, and `socket` is shut down. `unblock` makes a block
  // that waits return. It is called again and again, since block may only be about to wait.
  Ear(const Sleepers& sleepers, int socket, std::function<bool(uint32_t heard)> block,
      std::function<void()> unblock)
      : sleepers_(sleepers),
        socket_(socket),
        block_(std::move(block)),
        unblock_(std::move(unblock)) {}
  ~Ear();

  // Begins to listen. The peer counts `rung` up before each ring (CountRing). UNAVAILABLE: the
  // system has no thread.
  absl::Status Listen(const std::atomic<uint32_t>& rung);

 private:
  void Run(const std::atomic<uint32_t>& rung);

  const BirthProcess birth_;
  const Sleepers& sleepers_;
  const int socket_;
  const std::function<bool(uint32_t)> block_;
  const std::function<void()> unblock_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> stopped_ = false;
  std::thread thread_;
};

// Counts a ring, by which an Ear knows which sleeper is meant.
void CountRing(std::atomic<uint32_t>& rung, BellLetter which);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_BELLS_EAR_H_
