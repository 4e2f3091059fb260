#ifndef NIGH_TRANSPORTS_RENDEZVOUS_PEER_CREDENTIALS_H_
#define NIGH_TRANSPORTS_RENDEZVOUS_PEER_CREDENTIALS_H_

#include <string>

#include "nigh/transport/connection.h"

namespace nigh {

// Who is at the other end of a connected Unix socket, as the kernel says. A client's credentials
// are those that it had at connect(2), a server's those that it had at listen(2).
PeerIdentity IdentifyPeer(int socket, std::string address, std::string medium = "Unix socket");

// The owner of the object behind `fd`. Nobody but its owner may open it (mode 0600), so the owner
// is who uses it.
PeerIdentity IdentifyOwner(int fd, std::string address, std::string medium);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_RENDEZVOUS_PEER_CREDENTIALS_H_
