#ifndef NIGH_RUNTIME_CLIENT_SESSION_LEASE_H_
#define NIGH_RUNTIME_CLIENT_SESSION_LEASE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace nigh {

class ClientSession;

// Where a connector keeps its session for those who only make a unary call: they borrow the session
// without a lock and without a reference of their own.
//
// Seats are never destroyed, only used again. A thread may thus count itself in before it knows
// whether the seat is still the connector's. One word holds the number of borrowers and whether the
// connector has retired the session; whoever makes it "retired, no borrower" empties the seat.
class SessionSeat {
 public:
  // Takes a free seat for `session`.
  static SessionSeat* Take(std::shared_ptr<ClientSession> session);

  // By the connector, once it offers the seat to nobody any more.
  void Retire();

 private:
  friend class SessionLease;

  static constexpr uint64_t kRetired = uint64_t{1} << 32;
  static constexpr uint64_t kVacant = uint64_t{1} << 33;  // and empty

  void Leave() {
    if (word_.fetch_sub(1, std::memory_order_acq_rel) == kRetired + 1) Empty();
  }
  // Tries to empty a seat that is retired and has no borrower.
  void Empty();

  std::atomic<uint64_t> word_ = kRetired | kVacant;
  std::shared_ptr<ClientSession> session_;  // stays while there is a borrower
};

// A session that is borrowed. Empty, or keeps the session alive.
class SessionLease {
 public:
  SessionLease() = default;
  // Borrows the session of `seat`; empty if there is none.
  explicit SessionLease(const std::atomic<SessionSeat*>& seat) {
    SessionSeat* const offered = seat.load(std::memory_order_acquire);
    if (offered == nullptr) return;
    const uint64_t word = offered->word_.fetch_add(1, std::memory_order_acq_rel);
    // It may have been retired, and be another connector's by now.
    if (word < SessionSeat::kRetired && seat.load(std::memory_order_acquire) == offered) {
      seat_ = offered;
    } else {
      offered->Leave();
    }
  }
  ~SessionLease() {
    if (seat_ != nullptr) seat_->Leave();
  }
  SessionLease(SessionLease&& other) noexcept : seat_(std::exchange(other.seat_, nullptr)) {}
  SessionLease& operator=(SessionLease&& other) noexcept {
    std::swap(seat_, other.seat_);
    return *this;
  }

  explicit operator bool() const { return seat_ != nullptr; }
  ClientSession& operator*() const { return *seat_->session_; }

 private:
  SessionSeat* seat_ = nullptr;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_SESSION_LEASE_H_
