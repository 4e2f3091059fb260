#ifndef NIGH_TRANSPORTS_LOCAL_LOCAL_H_
#define NIGH_TRANSPORTS_LOCAL_LOCAL_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh {

// The best that two processes of one machine can have, and the address to use unless there is a
// reason for another:
//
//   local:NAME  a server of this user's: its sockets lie in $XDG_RUNTIME_DIR/nigh or /tmp/nigh-UID
//   local:PATH  with a slash in it: they lie there; who may connect is who may write to them
//
//   shm=off     this side does without shared memory
//
// Shared memory when both sides can have it, otherwise a Unix socket, over which everything but the
// speed is the same. PeerIdentity::medium says which it is, and why.
//
// A server listens on two sockets: one of type SOCK_STREAM, on which connections stay, and, if this
// process can make shared memory, one beside it of type SOCK_SEQPACKET with ".shm" and the version
// of the meeting behind its name, where they begin as those of shm: do. A client that can make
// shared memory tries the second first. Who speaks another version does not find it and stays on
// the socket.
absl::StatusOr<std::unique_ptr<Connection>> DialLocal(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenLocal(const Address& address);

inline constexpr Transport kLocalTransport = {"local", &DialLocal, &ListenLocal};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_LOCAL_LOCAL_H_
