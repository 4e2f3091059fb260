#ifndef NIGH_TRANSPORTS_RENDEZVOUS_RENDEZVOUS_H_
#define NIGH_TRANSPORTS_RENDEZVOUS_RENDEZVOUS_H_

#include <sys/socket.h>

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/rendezvous/socket_file.h"
#include "nigh/transports/rendezvous/socket_name.h"
#include "nigh/transports/stream/socket_acceptor.h"

namespace nigh {

// How two processes of one machine find each other: by a Unix socket. What they do with it then is
// the transport's business.
struct MeetingPoint {
  std::string address;  // that led here; errors begin with it
  std::string name;     // of the socket
  SocketNameKind kind = SocketNameKind::kPath;
  int type = SOCK_STREAM;  // or SOCK_SEQPACKET
};

// A socket connected to the server there; it does not block and is closed on exec.
// INVALID_ARGUMENT: the name is too long. UNAVAILABLE: nobody is there, or the server's queue of
// waiting connections has been full for a tenth of a second, which is the longest that this waits.
absl::StatusOr<UniqueFd> Meet(const MeetingPoint& point);

// Where a server waits for those who want to meet it. One thread at a time.
class MeetingPlace {
 public:
  // INVALID_ARGUMENT as above. ALREADY_EXISTS: a live server is there. Another code: what
  // SocketFile::Bind or the system says.
  static absl::StatusOr<MeetingPlace> Open(const MeetingPoint& point);

  // As SocketAcceptor's.
  absl::StatusOr<UniqueFd> Accept() { return acceptor_.Accept(); }
  int fd() const { return acceptor_.fd(); }

 private:
  MeetingPlace(SocketAcceptor acceptor, std::optional<SocketFile> file);

  SocketAcceptor acceptor_;
  // Behind the acceptor: the file goes while the socket is still open.
  std::optional<SocketFile> file_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_RENDEZVOUS_RENDEZVOUS_H_
