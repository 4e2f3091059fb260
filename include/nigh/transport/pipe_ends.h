#ifndef NIGH_TRANSPORT_PIPE_ENDS_H_
#define NIGH_TRANSPORT_PIPE_ENDS_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/api.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// One side's ends of two pipes, closed on exec.
struct NIGH_API PipeEnds {
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
NIGH_API absl::StatusOr<std::pair<PipeEnds, PipeEnds>> MakePipes();

}  // namespace nigh

#endif  // NIGH_TRANSPORT_PIPE_ENDS_H_
