#ifndef NIGH_TRANSPORTS_FIFO_FIFO_H_
#define NIGH_TRANSPORTS_FIFO_FIFO_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh {

// fifo:PATH: named pipes. At PATH is the FIFO where clients announce themselves; each makes two
// FIFOs for itself beside it, PATH.TOKEN.c to read from and PATH.TOKEN.s to write to, which the
// server opens and removes. All are for this user alone (0600).
//
// Both sides know the other's user, whose FIFO it is, and nothing else. A server that has no
// descriptors left cannot tell a client so; that one waits for its connect timeout.
absl::StatusOr<std::unique_ptr<Connection>> DialFifo(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenFifo(const Address& address);

inline constexpr Transport kFifoTransport = {"fifo", &DialFifo, &ListenFifo};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_FIFO_FIFO_H_
