#include "nigh/runtime/client/session_lease.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "nigh/mutex.h"
#include "nigh/runtime/client/client_session.h"

namespace nigh {
namespace {

// The seats that nobody uses. Never destroyed: threads may still run while the process exits.
struct FreeSeats {
  static FreeSeats& Get() {
    static FreeSeats& seats = *new FreeSeats;
    return seats;
  }

  Mutex mutex;
  std::vector<SessionSeat*> seats ABSL_GUARDED_BY(mutex);
};

}  // namespace

SessionSeat* SessionSeat::Take(std::shared_ptr<ClientSession> session) {
  SessionSeat* seat = nullptr;
  {
    FreeSeats& free = FreeSeats::Get();
    MutexLock lock(free.mutex);
    if (!free.seats.empty()) {
      seat = free.seats.back();
      free.seats.pop_back();
    }
  }
  if (seat == nullptr) seat = new SessionSeat;
  seat->session_ = std::move(session);
  // A thread that has counted itself in by mistake is about to count itself out again.
  seat->word_.fetch_and(~(kRetired | kVacant), std::memory_order_release);
  return seat;
}

void SessionSeat::Retire() {
  if (word_.fetch_or(kRetired, std::memory_order_acq_rel) == 0) Empty();
}

void SessionSeat::Empty() {
  uint64_t retired = kRetired;
  // Another thread may have counted itself in, and will find the same as it leaves.
  if (!word_.compare_exchange_strong(retired, kRetired | kVacant, std::memory_order_acq_rel)) {
    return;
  }
  const std::shared_ptr<ClientSession> session = std::move(session_);
  session_ = nullptr;
  FreeSeats& free = FreeSeats::Get();
  MutexLock lock(free.mutex);
  free.seats.push_back(this);
}

}  // namespace nigh
