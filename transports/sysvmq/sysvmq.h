#ifndef NIGH_TRANSPORTS_SYSVMQ_SYSVMQ_H_
#define NIGH_TRANSPORTS_SYSVMQ_SYSVMQ_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh {

// sysvmq:PATH: System V message queues (sysvipc(7)). At PATH is a file with the identifier of the
// queue where clients announce themselves; each makes two for itself, and tells their identifiers.
// All are for this user alone (0600). A queue holds 16 KiB as a rule (sysctl kernel.msgmnb).
//
// These queues cannot be polled. A side that sleeps has a thread that waits in its place, one for
// each direction in which it ever had to.
//
// Both sides know the other's user, whose queues and file they are; the process is what the other
// side says.
absl::StatusOr<std::unique_ptr<Connection>> DialSysvmq(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenSysvmq(const Address& address);

inline constexpr Transport kSysvmqTransport = {"sysvmq", &DialSysvmq, &ListenSysvmq};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SYSVMQ_SYSVMQ_H_
