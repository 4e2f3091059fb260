#ifndef NIGH_RUNTIME_SERVER_GATEKEEPER_H_
#define NIGH_RUNTIME_SERVER_GATEKEEPER_H_

#include <cstdint>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/server/user_list.h"
#include "nigh/transport/address.h"
#include "nigh/transport/transport.h"

namespace nigh {

// Decides who comes in at a server's listeners, as its ServerOptions::admit says, and tells of
// those who do not.
class Gatekeeper {
 public:
  // Gets a summary of clients that were refused, once every kReportEvery at most.
  using Report = std::function<void(const absl::Status&)>;
  static constexpr absl::Duration kReportEvery = absl::Seconds(1);

  // Looks the names up.
  Gatekeeper(const Admission& admission, Report report);

  // INVALID_ARGUMENT: there is no such user or group, or a listener at `address` could not tell who
  // is one.
  absl::Status Check(const Address& address, Reach reach) const;
  // The gate of a listener at `address`. The gatekeeper outlives it.
  Gate GateOf(const Address& address, Reach reach);

 private:
  bool MayComeIn(const PeerIdentity& client) const;
  void Refused(absl::string_view where, absl::string_view who) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::function<bool(const PeerIdentity&)> decide_;
  const Report report_;
  absl::Status names_;  // OK, or which there is none of
  bool anybody_ = false;
  UserList named_;

  Mutex mutex_;
  uint64_t untold_ ABSL_GUARDED_BY(mutex_) = 0;  // clients refused, and not reported yet
  Deadline next_report_ ABSL_GUARDED_BY(mutex_) = Deadline::AtNanos(0);
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_GATEKEEPER_H_
