#ifndef NIGH_TRANSPORTS_RENDEZVOUS_PEER_CREDENTIALS_H_
#define NIGH_TRANSPORTS_RENDEZVOUS_PEER_CREDENTIALS_H_

#include <string>

#include "nigh/transport/connection.h"

namespace nigh {

// Who is at the other end of a connected Unix socket, as the kernel knows it: a client's
// credentials are those at connect(2), a server's those at listen(2).
PeerIdentity IdentifyPeer(int socket, std::string address, std::string medium = "Unix socket");

// Whose the object behind `fd` is: who made it, for this user alone, is who uses it.
PeerIdentity IdentifyOwner(int fd, std::string address, std::string medium);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_RENDEZVOUS_PEER_CREDENTIALS_H_
