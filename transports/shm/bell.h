#ifndef NIGH_TRANSPORTS_SHM_BELL_H_
#define NIGH_TRANSPORTS_SHM_BELL_H_

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// How one side wakes the other, once it knows that the other sleeps.
//
// A side's threads always sleep on eventfds of its own (Sleepers). A bell is what the peer rings so
// that one of them becomes readable. The side that sleeps chooses the kind. Each kind is a class in
// bells/. The eventfd bell is the sleeper's own descriptor. The others need a thread, which waits
// where poll(2) cannot and passes each ring on.
//
// Whoever shares such an object can also break it, so bells are rung between processes of one user
// only. Towards another user, and where a bell cannot be rung, a letter goes through the socket
// instead: a message of one byte that says who is to wake. Sending one never waits.
enum class BellKind : uint8_t {
  kLetter = 0,
  kEventfd = 1,
  kFutex = 2,     // futex(2) on a word in the ringer's memory
  kPosixSem = 3,  // sem_post(3), in memory that both have
  kSysvSem = 4,   // semop(2)
  kSignal = 5,    // a queued real-time signal, taken by signalfd(2)
};

// "eventfd", "futex", "posix-sem", "sysv-sem", "signal", and back.
absl::string_view BellKindName(BellKind kind);
std::optional<BellKind> ParseBellKind(absl::string_view name);

// Which of a side's two threads is meant.
enum class BellLetter : char { kData = 'd', kRoom = 'r' };

// What this side's threads sleep on, edge-triggered: one waits for data, one for room.
class Sleepers {
 public:
  Sleepers();
  bool ok() const { return data_ && room_; }  // otherwise errno says why

  int fd(BellLetter which) const { return (which == BellLetter::kData ? data_ : room_).get(); }
  // Any thread.
  void Wake(BellLetter which) const;

 private:
  const UniqueFd data_;
  const UniqueFd room_;
};

// What the peer needs in order to ring, as it stands in an offer.
struct BellHandle {
  BellKind kind = BellKind::kLetter;
  std::array<uint32_t, 3> words = {};
  std::vector<UniqueFd> fds = {};
};

// How many descriptors and words an offer has for a bell of that kind. Further words are 0.
size_t BellDescriptors(BellKind kind);
size_t BellWords(BellKind kind);

// This side's bell, which the peer rings. It wakes the Sleepers that it was made with, and must go
// before them.
class OwnBell {
 public:
  virtual ~OwnBell() = default;
  // UNAVAILABLE: the system has no descriptor for it.
  virtual absl::StatusOr<BellHandle> Handle() const = 0;
  // Begins to listen. `rung` is a word in the peer's page, so that must have been attached.
  // UNAVAILABLE: the system has no thread.
  virtual absl::Status Listen(const std::atomic<uint32_t>& rung) = 0;
};

// A bell that turns out to be broken later shuts `socket` down, which ends the connection.
// UNAVAILABLE: the system cannot make another bell.
absl::StatusOr<std::unique_ptr<OwnBell>> MakeBell(BellKind kind, const Sleepers& sleepers,
                                                  int socket);

// The peer's bell, as this side rings it.
class PeerBell {
 public:
  virtual ~PeerBell() = default;
  // Any thread; never waits. False: it cannot be rung.
  virtual bool Ring(BellLetter which) = 0;
};

// `rung` is a word in this side's page. `peer` is the process that made the bell, as the kernel
// says. Nothing: the bell cannot be rung, and letters take its place.
std::unique_ptr<PeerBell> AttachBell(BellHandle handle, std::atomic<uint32_t>& rung,
                                     std::optional<pid_t> peer);

// Removes the bells that killed processes of this user have left behind, where bells of that kind
// have names. Returns how many there were.
int SweepBells(BellKind kind);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_BELL_H_
