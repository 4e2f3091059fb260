#ifndef NIGH_TRANSPORTS_MQUEUE_MQUEUE_H_
#define NIGH_TRANSPORTS_MQUEUE_MQUEUE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh {

// mqueue:/NAME: POSIX message queues (mq_overview(7)). At /NAME is the queue where clients announce
// themselves. Each client makes two queues for itself: /NAME.TOKEN.c to read from and /NAME.TOKEN.s
// to write to. The server opens them and removes their names. All are for this user alone (0600).
//
// ?group=NAME, on the server's side: members of that group may connect, too, if they are admitted
// (ServerOptions::admit). Their own queues are the group's, so its members have to trust each
// other.
//
// ?messages=8&size=4096: how many messages of how many bytes a client's queues hold. The kernel
// counts that against RLIMIT_MSGQUEUE, usually 800 KiB for all queues of a user: a dozen clients.
//
// Each side knows the other's user: the owner of the queues. The other's process is what the other
// says.
absl::StatusOr<std::unique_ptr<Connection>> DialMqueue(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenMqueue(const Address& address);

inline constexpr Transport kMqueueTransport = {
    .scheme = "mqueue", .dial = &DialMqueue, .listen = &ListenMqueue, .reach = Reach::kUsers};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_MQUEUE_MQUEUE_H_
