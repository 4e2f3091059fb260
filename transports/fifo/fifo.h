#ifndef NIGH_TRANSPORTS_FIFO_FIFO_H_
#define NIGH_TRANSPORTS_FIFO_FIFO_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transports/rendezvous/access.h"

namespace nigh {

// fifo:PATH: named pipes. At PATH is the FIFO where clients announce themselves. Each client makes
// two FIFOs for itself beside it: PATH.TOKEN.c to read from and PATH.TOKEN.s to write to. The
// server opens them and removes their names. All are for this user alone (0600).
//
// ?mode=0666&group=NAME, on the server's side, let other users' clients come to PATH
// (rendezvous/access.h). They have to be able to make files beside it; their FIFOs they share with
// the server's user alone, by an access control list.
//
// Each side knows the other's user, the owner of the FIFOs, and nothing else. A server that has no
// descriptors left cannot tell a client so, and the client waits for its connect timeout.
absl::StatusOr<std::unique_ptr<Connection>> DialFifo(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenFifo(const Address& address);

inline constexpr Transport kFifoTransport = {.scheme = "fifo",
                                             .dial = &DialFifo,
                                             .listen = &ListenFifo,
                                             .reach = Reach::kUsers,
                                             .owner = &OwnerOfPath};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_FIFO_FIFO_H_
