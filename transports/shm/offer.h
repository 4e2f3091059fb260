#ifndef NIGH_TRANSPORTS_SHM_OFFER_H_
#define NIGH_TRANSPORTS_SHM_OFFER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/process/peer_process.h"
#include "nigh/transports/shm/bell.h"
#include "nigh/transports/shm/memory.h"

namespace nigh {

// What each side of a connection says first, in one message over the socket: here is my memory,
// here is my bell.
//
//   byte 0          8         10       11     12          16         20     32          36
//       +----------+---------+--------+------+-----------+----------+------+-----------+----------+
//       |"nigh shm"| version | memory | bell | ring size | System V | bell | bulk size | System V |
//       +----------+---------+--------+------+-----------+----------+------+-----------+----------+
//
// All numbers are little-endian; the first two are MemoryKind and BellKind. The System V
// identifiers are those of the ring's memory and of the bulk region's. A bulk size of 0 says that
// there is no such region. The bell's field is three numbers that depend on it, and zeroes where it
// needs none:
//
//   sysv-sem   the set's identifier
//   signal     the process, its thread, and half the value of the signal for data
//
// With it, by SCM_RIGHTS: the memory, unless it is System V's; likewise that of the bulk region,
// which is of the same kind; then, for eventfd, the descriptors to ring when there is data for the
// sender of this and when there is room for it; for posix-sem, the page that begins with the
// semaphore.
struct Offer {
  uint32_t ring_size = 0;
  uint32_t bulk_size = 0;
  MemoryHandle memory = {};
  MemoryHandle bulk = {};
  BellHandle bell = {};
  Sender sender = {};  // if the kernel tells (AskForSenders)

  // All that are in it.
  std::vector<UniqueFd> TakeDescriptors() {
    std::vector<UniqueFd> taken = std::move(bell.fds);
    for (MemoryHandle* const handle : {&memory, &bulk}) {
      if (handle->fd) taken.push_back(std::move(handle->fd));
    }
    return taken;
  }
};

inline constexpr size_t kOfferSize = 40;
inline constexpr uint16_t kOfferVersion = 2;

// Sends it, but for the sender. OK even if the peer has gone: what it said before can still be
// received.
absl::Status SendOffer(int socket, const Offer& offer);

// What the peer of this `side` offers; nothing if it has not come. INTERNAL when it is no offer, or
// one that cannot be; UNAVAILABLE when the peer has gone or speaks another version. Another error,
// to a client: what the server says in its place (DecodeRefusal). Descriptors that come with what
// is refused are closed.
absl::StatusOr<std::optional<Offer>> ReceiveOffer(int socket, Side side);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_OFFER_H_
