#ifndef NIGH_TRANSPORTS_RENDEZVOUS_RENDEZVOUS_H_
#define NIGH_TRANSPORTS_RENDEZVOUS_RENDEZVOUS_H_

#include <sys/socket.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/peer_identity.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/rendezvous/access.h"
#include "nigh/transports/rendezvous/name_watch.h"
#include "nigh/transports/rendezvous/socket_file.h"
#include "nigh/transports/rendezvous/socket_name.h"
#include "nigh/transports/stream/socket_acceptor.h"

namespace nigh {

// Where two processes of one machine find each other: a Unix socket. What they do with it then is
// the transport's business.
struct MeetingPoint {
  std::string address;  // as the user wrote it; errors begin with it
  std::string name;     // of the socket
  SocketNameKind kind = SocketNameKind::kPath;
  int type = SOCK_STREAM;  // or SOCK_SEQPACKET
  // Whether descriptors come with the first message, before anybody can say that they are wanted.
  bool brings_descriptors = false;
  // Where else it may lie (runtime_directory.h). Then all these paths, `name` as well, are in
  // directories of which none but this user's own count.
  std::vector<std::string> others = {};
  // Of the file that a server makes there.
  Access access = {};
};

// Connects to the server there. The socket does not block and is closed on exec. Waits for at most
// a tenth of a second, and only while the server's queue of waiting connections is full.
// INVALID_ARGUMENT: the name is too long. UNAVAILABLE: nobody is there, and the message says where
// that was looked for; or the queue stayed full.
absl::StatusOr<UniqueFd> Meet(const MeetingPoint& point);

// Tells a client, on the socket on which it has come, why it may not come in, and lets it go.
void TurnAway(UniqueFd socket, const PeerIdentity& client, const absl::Status& why);

// The server's side of a MeetingPoint. One thread at a time.
class MeetingPlace {
 public:
  // Takes the first place whose directory can be had. INVALID_ARGUMENT as above. ALREADY_EXISTS: a
  // live server is at one of the places. Another code: what MakeDirectoryOf says of the first one,
  // if none can be had; what SocketFile::Bind or the system says.
  static absl::StatusOr<MeetingPlace> Open(const MeetingPoint& point);

  // On a socket that listens already. Its file, if it has one, is its maker's.
  // `brings_descriptors`: as that of a MeetingPoint.
  static MeetingPlace Adopt(ListeningSocket socket, bool brings_descriptors);

  // As SocketAcceptor's. Who only asks whether a live server is there (SocketFile) is passed over.
  // NOT_FOUND: the socket's file is no longer there, so nobody can come any more.
  absl::StatusOr<UniqueFd> Accept();
  // As Listener::Arm.
  Wake Arm() const;
  // The name of the socket, out of those of the point.
  const std::string& name() const { return name_; }

 private:
  // The file of the socket, and what tells of its end. The file goes first: to end the process's
  // last watch takes the kernel some 10 ms, in which the next server may come.
  struct Place {
    NameWatch watch;
    SocketFile file;
  };

  MeetingPlace(std::string name, std::string address, SocketAcceptor acceptor,
               std::optional<SocketFile> file);

  std::string name_;
  std::string address_;
  SocketAcceptor acceptor_;
  // Declared after the acceptor, so that the file goes while the socket is still open.
  std::optional<Place> place_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_RENDEZVOUS_RENDEZVOUS_H_
