#ifndef NIGH_TRANSPORTS_LOCAL_LOCAL_H_
#define NIGH_TRANSPORTS_LOCAL_LOCAL_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transports/rendezvous/access.h"

namespace nigh {

// The fastest medium that both sides support, and the address to use unless there is a reason for
// another:
//
//   local:NAME  a server of this user's: its sockets lie in /tmp/nigh-UID (runtime_directory.h)
//   local:PATH  with a slash in it: they lie there, for their owner alone, or as ?mode=0660 and
//               ?group=NAME say
//
//   shm=off     this side does without shared memory
//
// That is shared memory, or a Unix socket where one side cannot make shared memory. Everything but
// the speed is the same. PeerIdentity::medium says which it is, and why.
//
// A server listens on a socket of type SOCK_STREAM, on which connections stay. If it can make
// shared memory, it also listens on one of type SOCK_SEQPACKET, where connections begin as those of
// shm: do. The second socket's name is that of the first with ".shm" and the version of the offer
// (shm/offer.h) behind it. A client that can make shared memory tries the second first. A client of
// another version does not find it, and uses the first.
absl::StatusOr<std::unique_ptr<Connection>> DialLocal(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenLocal(const Address& address);

inline constexpr Transport kLocalTransport = {.scheme = "local",
                                              .dial = &DialLocal,
                                              .listen = &ListenLocal,
                                              .reach = Reach::kUsers,
                                              .owner = &OwnerOfMeetingPath};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_LOCAL_LOCAL_H_
