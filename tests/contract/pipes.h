#ifndef NIGH_TESTS_CONTRACT_PIPES_H_
#define NIGH_TESTS_CONTRACT_PIPES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh::testing {

// pipes+unix:PATH carries any number of connections of pipe:. Whoever dials makes the pipes and
// hands the other side its ends over a Unix socket, which is then closed.
absl::StatusOr<std::unique_ptr<Connection>> DialPipes(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenPipes(const Address& address);

inline constexpr Transport kPipesTransport = {
    .scheme = "pipes+unix", .dial = &DialPipes, .listen = &ListenPipes, .reach = Reach::kInvited};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONTRACT_PIPES_H_
