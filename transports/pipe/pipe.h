#ifndef NIGH_TRANSPORTS_PIPE_PIPE_H_
#define NIGH_TRANSPORTS_PIPE_PIPE_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// pipe:IN,OUT: two anonymous pipes between two processes of which one has started the other, or
// which have got them from a third. IN and OUT are the numbers of the descriptors to read from and
// to write to, or twice that of a stream socket. Who has them is who may speak; the kernel tells
// neither who the other is.
//
// There is one connection. Dialling or listening takes the descriptors over; a channel whose
// connection has ended finds nothing to dial again. A server that listens there alone has nothing
// left to do when its connection ends: its Run returns.
absl::StatusOr<std::unique_ptr<Connection>> DialPipe(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenPipe(const Address& address);

inline constexpr Transport kPipeTransport = {
    .scheme = "pipe", .dial = &DialPipe, .listen = &ListenPipe, .reach = Reach::kInvited};

// One side's ends of two pipes, closed on exec.
struct PipeEnds {
  UniqueFd in;
  UniqueFd out;

  // "pipe:5,6?inodes=123,124": these pipes, and no others that may have the numbers later.
  std::string address() const;
  // Lets them pass through exec: to be called in the child between fork and exec, or before
  // posix_spawn(3). FAILED_PRECONDITION: they are not open.
  absl::Status KeepOnExec() const;
  // The same, whose owner is from now on whoever dials or listens there.
  std::string Release();
};

// Two pipes between two sides.
//
//   auto [ours, theirs] = nigh::MakePipes().value();
//   if (::fork() == 0) {
//     theirs.KeepOnExec();
//     const std::string address = theirs.address();
//     ::execl("worker", "worker", address.c_str(), nullptr);   // there: server.Listen(argv[1])
//   }
//   theirs = {};                                               // so that its death is noticed
//   auto channel = nigh::Dial(ours.Release());
//
// UNAVAILABLE: what the system says.
absl::StatusOr<std::pair<PipeEnds, PipeEnds>> MakePipes();

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_PIPE_PIPE_H_
