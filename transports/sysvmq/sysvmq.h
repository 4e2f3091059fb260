#ifndef NIGH_TRANSPORTS_SYSVMQ_SYSVMQ_H_
#define NIGH_TRANSPORTS_SYSVMQ_SYSVMQ_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transports/rendezvous/access.h"

namespace nigh {

// sysvmq:PATH: System V message queues (sysvipc(7)). At PATH is a file with the identifier of the
// queue where clients announce themselves. Each client makes two queues for itself and tells their
// identifiers. All are for this user alone (0600). ?mode=0660&group=NAME, on the server's side, let
// other users' clients come to PATH (rendezvous/access.h); each of these can then disturb the
// others' arrivals. Their own queues they share with the server's user alone. A queue usually holds
// 16 KiB (sysctl kernel.msgmnb).
//
// These queues cannot be polled. A thread waits in the place of a side that sleeps: one for each
// direction in which that side ever had to.
//
// Each side knows the other's user: the owner of queues and file. The other's process is what the
// other says.
absl::StatusOr<std::unique_ptr<Connection>> DialSysvmq(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenSysvmq(const Address& address);

inline constexpr Transport kSysvmqTransport = {.scheme = "sysvmq",
                                               .dial = &DialSysvmq,
                                               .listen = &ListenSysvmq,
                                               .reach = Reach::kUsers,
                                               .owner = &OwnerOfPath};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SYSVMQ_SYSVMQ_H_
