#include "nigh/transports/rendezvous/peer_credentials.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <string>
#include <utility>

#include "nigh/transport/connection.h"

namespace nigh {

PeerIdentity IdentifyPeer(int socket, std::string address, std::string medium) {
  PeerIdentity peer;
  peer.address = std::move(address);
  peer.medium = std::move(medium);
  ucred credentials;
  socklen_t size = sizeof(credentials);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
    peer.uid = credentials.uid;
    peer.gid = credentials.gid;
    peer.pid = credentials.pid;
  }
  return peer;
}

PeerIdentity IdentifyOwner(int fd, std::string address, std::string medium) {
  PeerIdentity owner = {.address = std::move(address), .medium = std::move(medium)};
  struct stat file;
  if (::fstat(fd, &file) == 0) {
    owner.uid = file.st_uid;
    owner.gid = file.st_gid;
  }
  return owner;
}

}  // namespace nigh
