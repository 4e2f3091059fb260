#ifndef NIGH_TRANSPORTS_PIPE_PIPE_H_
#define NIGH_TRANSPORTS_PIPE_PIPE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh {

// pipe:IN,OUT: two anonymous pipes between two processes of which one has started the other, or
// which have got them from a third (nigh/transport/pipe_ends.h makes them). IN and OUT are the
// numbers of the descriptors to read from and to write to, or twice that of a stream socket. Who
// has them is who may speak; the kernel tells neither who the other is.
//
// There is one connection. Dialling or listening takes the descriptors over; a channel whose
// connection has ended finds nothing to dial again. A server that listens there alone has nothing
// left to do when its connection ends: its Run returns.
absl::StatusOr<std::unique_ptr<Connection>> DialPipe(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenPipe(const Address& address);

inline constexpr Transport kPipeTransport = {
    .scheme = "pipe", .dial = &DialPipe, .listen = &ListenPipe, .reach = Reach::kInvited};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_PIPE_PIPE_H_
