#ifndef NIGH_TRANSPORTS_STREAM_SOCKET_ACCEPTOR_H_
#define NIGH_TRANSPORTS_STREAM_SOCKET_ACCEPTOR_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// Takes connections from a listening socket. One thread at a time.
//
// When the process has run out of descriptors, whoever waits in the queue cannot be let in, and the
// listening socket stays readable: a poller would run hot for as long as that lasts. The acceptor
// keeps one descriptor in reserve for that moment. It spends it on letting the client in and
// closing it at once, so that the client learns that there is no room instead of waiting for ever.
class SocketAcceptor {
 public:
  // `listening` does not block. `address` begins the messages of errors.
  SocketAcceptor(UniqueFd listening, absl::string_view address);

  // The next connection: does not block, is closed on exec. No descriptor: nobody for now, or one
  // who was gone already. RESOURCE_EXHAUSTED: somebody had to be turned away. Any other error is
  // final.
  absl::StatusOr<UniqueFd> Accept();

  int fd() const { return listening_.get(); }

 private:
  // Accepts and closes a connection in the place of the reserve. False: nobody was there.
  bool TurnAway();

  UniqueFd listening_;
  UniqueFd reserve_;
  std::string address_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_STREAM_SOCKET_ACCEPTOR_H_
