#ifndef NIGH_TRANSPORTS_INPROC_INPROC_H_
#define NIGH_TRANSPORTS_INPROC_INPROC_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh {

// inproc:NAME: client and server in one process, for tests and for services that may move out
// later. NAME is any text; it is known inside this process alone. The peer is this process itself.
absl::StatusOr<std::unique_ptr<Connection>> DialInproc(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenInproc(const Address& address);

inline constexpr Transport kInprocTransport = {
    .scheme = "inproc", .dial = &DialInproc, .listen = &ListenInproc, .reach = Reach::kInvited};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_INPROC_INPROC_H_
