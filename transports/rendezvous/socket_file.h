#ifndef NIGH_TRANSPORTS_RENDEZVOUS_SOCKET_FILE_H_
#define NIGH_TRANSPORTS_RENDEZVOUS_SOCKET_FILE_H_

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/transports/rendezvous/access.h"

namespace nigh {

// The file of a bound Unix socket. It outlives a killed server; the next one takes it over.
//
// How two servers never take a path from each other, whatever the timing:
//
//  * bind(2) creates the file, and only where there is none: a fresh path has one winner.
//  * A file that is there is removed only when the kernel says that no socket stands behind it, or
//    that the process which listens there has died. The first question is a connect(2) with another
//    socket type: it is refused when nobody is there, and fails with EPROTOTYPE when somebody is.
//    The second is a connection, from a socket with a name by which the server knows it for a
//    question, which goes at once.
//  * Asking and removing happen under flock(2) of the directory, so that an answer cannot be stale
//    when the file is removed. The lock leaves no file behind and ends with its holder. Whoever may
//    read the directory can keep it, so after a second a server does without.
//  * A server removes its own file while its socket still stands behind it: until then nobody can
//    put another in its place. It removes only the very file that it made.
class SocketFile {
 public:
  // Binds `socket`, which is no datagram socket and does not listen yet, to `path`. The file has
  // the mode and group of `access` by the time this returns, and none but its owner's before.
  // INVALID_ARGUMENT: the path is too long. ALREADY_EXISTS: a live server is there.
  // FAILED_PRECONDITION: a file that is no socket is there. Another code: what the system says.
  // Messages begin with `address`, which led to the path.
  static absl::StatusOr<SocketFile> Bind(int socket, const std::string& path,
                                         absl::string_view address, const Access& access = {});

  // Whether a live server listens at `path` with a socket of `type`.
  static bool IsServed(const std::string& path, int type);

  SocketFile(SocketFile&& other) noexcept;
  SocketFile& operator=(SocketFile&&) = delete;

  const std::string& path() const { return path_; }
  // Whether the peer of an accepted socket has come for nothing but to ask whether the process that
  // listens is alive.
  static bool IsQuestion(int socket);

  // Whether the path leads elsewhere by now, or nowhere: somebody has removed the file.
  bool IsLost() const;

  // Removes the file if it is still the one that Bind made. Must run before the socket is closed.
  ~SocketFile();

 private:
  SocketFile(std::string path, dev_t device, ino_t inode);

  BirthProcess birth_;
  std::string path_;  // absolute; empty: moved from
  dev_t device_;
  ino_t inode_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_RENDEZVOUS_SOCKET_FILE_H_
