#ifndef NIGH_TRANSPORTS_SHM_SHM_H_
#define NIGH_TRANSPORTS_SHM_SHM_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transports/rendezvous/access.h"

namespace nigh {

// Shared memory: a ring in each direction, which the peer can read and not write.
//
//   shm:NAME  a server of this user's: its socket lies in /tmp/nigh-UID (runtime_directory.h)
//   shm:PATH  with a slash in it: its socket lies there; who may connect is who may write to it
//
//   memory=memfd|posix|sysv  where this side's memory comes from; memfd
//   ring=256KiB              bytes that this side can have on the way; a power of two from 128KiB
//                            to 64MiB
//
// Each side chooses for what it sends. README.md beside this has the memory map, the ordering
// and what a peer that means harm can do.
absl::StatusOr<std::unique_ptr<Connection>> DialShm(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenShm(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenOnShm(ListeningSocket socket);

inline constexpr Transport kShmTransport = {.scheme = "shm",
                                            .dial = &DialShm,
                                            .listen = &ListenShm,
                                            .reach = Reach::kUsers,
                                            .owner = &OwnerOfMeetingPath,
                                            .listen_on = &ListenOnShm};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_SHM_H_
