#ifndef NIGH_TRANSPORTS_PROCESS_PEER_CREDENTIALS_H_
#define NIGH_TRANSPORTS_PROCESS_PEER_CREDENTIALS_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>

#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_process.h"

namespace nigh {

// Who is at the other end of a connected Unix socket, as the kernel says. A client's credentials
// are those that it had at connect(2), a server's those that it had at listen(2): who serves is
// known once it has sent something (Sender).
PeerIdentity IdentifyPeer(int socket, std::string address, std::string medium = "Unix socket");

// The owner of the object behind `fd`. None but its owner, and those whom its owner lets, can have
// opened it, so the owner answers for what comes of it.
PeerIdentity IdentifyOwner(int fd, std::string address, std::string medium);

// The numbers as they are, or nothing if they stand for whoever has no number in this process's
// user namespace (sysctl kernel.overflowuid, overflowgid).
std::optional<uid_t> KnownUser(uid_t uid);
std::optional<gid_t> KnownGroup(gid_t gid);

// Who has sent a message over a Unix socket, as the kernel says.
struct Sender {
  UniqueFd process;  // a pidfd; none: the kernel does not tell (before Linux 6.5)
  std::optional<ucred> credentials = std::nullopt;
};

// What the kernel is asked for on a socket, before it connects: the sender of what is received.
void AskForSenders(int socket, bool ask);
// Of a message that recvmsg(2) has brought.
Sender SenderOf(const msghdr& message);
// The room that this takes among a message's control data.
inline constexpr size_t kSenderSpace = CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(sizeof(int));

// `peer`, who has connected or listened, is who has sent that to `side`, if the kernel has told:
// the rest of what is known of the process with it. Address and medium stay. Groups and label of a
// client that has not changed are those that it had at connect(2).
void IdentifySender(const Sender& sender, Side side, PeerIdentity& peer);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_PROCESS_PEER_CREDENTIALS_H_
