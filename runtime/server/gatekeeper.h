#ifndef NIGH_RUNTIME_SERVER_GATEKEEPER_H_
#define NIGH_RUNTIME_SERVER_GATEKEEPER_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/server/report_rate.h"
#include "nigh/runtime/server/user_list.h"
#include "nigh/transport/address.h"
#include "nigh/transport/transport.h"

namespace nigh {

// Decides who comes in at a server's listeners, as its ServerOptions::admit says, and tells of
// those who do not.
class Gatekeeper {
 public:
  // Gets a summary of clients that were refused, once a second at most.
  using Report = std::function<void(const absl::Status&)>;

  // Looks the names up.
  Gatekeeper(const Admission& admission, Report report);

  // INVALID_ARGUMENT: there is no such user or group, or a listener at `address` could not tell who
  // is one.
  absl::Status Check(const Address& address, Reach reach) const;
  // The gate of a listener at `address`. The gatekeeper outlives it.
  Gate GateOf(const Address& address, Reach reach);

 private:
  bool MayComeIn(const PeerIdentity& client) const;
  void Refused(absl::string_view where, absl::string_view who);

  const std::function<bool(const PeerIdentity&)> decide_;
  const Report report_;
  absl::Status names_;  // OK, or which there is none of
  bool anybody_ = false;
  UserList named_;
  ReportRate refusals_;
  ReportRate clingers_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_GATEKEEPER_H_
