#ifndef NIGH_RUNTIME_CLIENT_EXPECTED_SERVER_H_
#define NIGH_RUNTIME_CLIENT_EXPECTED_SERVER_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/peer_identity.h"
#include "nigh/transport/address.h"
#include "nigh/transport/transport.h"

namespace nigh {

// Whose server a channel takes for its own, as ChannelOptions::expect_server says. Immutable.
class ExpectedServer {
 public:
  // `option` is expect_server; the address's own ?server= counts more. Null: whoever is there.
  // INVALID_ARGUMENT: there is no such user, or the transport does not tell who serves.
  static absl::StatusOr<std::shared_ptr<const ExpectedServer>> Of(const Address& address,
                                                                  const Transport& transport,
                                                                  absl::string_view option);

  // OK, or PERMISSION_DENIED. `listened` is who has listened, `server` who has said hello. Both
  // have to be expected: who has only got hold of a privileged program's output is not the server.
  // But root may listen in anybody's place.
  absl::Status Check(const PeerIdentity& listened, const PeerIdentity& server) const;

 private:
  ExpectedServer(Address address, const Transport& transport, std::optional<uid_t> user)
      : address_(std::move(address)), owner_(transport.owner), user_(user) {}

  bool Expects(uid_t user) const;

  const Address address_;
  std::optional<uid_t> (*const owner_)(const Address&);
  const std::optional<uid_t> user_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_EXPECTED_SERVER_H_
