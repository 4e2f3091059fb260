#ifndef NIGH_TRANSPORTS_MQUEUE_MQUEUE_H_
#define NIGH_TRANSPORTS_MQUEUE_MQUEUE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh {

// mqueue:/NAME: POSIX message queues (mq_overview(7)). At /NAME is the queue where clients announce
// themselves; each makes two for itself, /NAME.TOKEN.c to read from and /NAME.TOKEN.s to write to,
// which the server opens and removes. All are for this user alone (0600).
//
// ?messages=8&size=4096: how many messages of how many bytes a client's queues hold. The kernel
// counts that against RLIMIT_MSGQUEUE, 800 KiB for all queues of a user as a rule: a dozen clients.
//
// Both sides know the other's user, whose queues they are; the process is what the other side says.
absl::StatusOr<std::unique_ptr<Connection>> DialMqueue(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenMqueue(const Address& address);

inline constexpr Transport kMqueueTransport = {"mqueue", &DialMqueue, &ListenMqueue};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_MQUEUE_MQUEUE_H_
