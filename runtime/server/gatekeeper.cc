#include "nigh/runtime/server/gatekeeper.h"

#include <unistd.h>

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/transport/address.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/transport.h"

namespace nigh {
namespace {

// Of one user, whose sockets linger or whose files answer to nobody.
constexpr size_t kMostClosings = 64;

}  // namespace

Gatekeeper::Gatekeeper(const Admission& admission, Report report)
    : decide_(admission.decide), report_(std::move(report)) {
  for (const std::string& name : admission.users) {
    if (name == "*") {
      anybody_ = true;
    } else {
      names_.Update(Prefixed("option admit", named_.AddUser(name)));
    }
  }
  for (const std::string& name : admission.groups) {
    names_.Update(Prefixed("option admit", named_.AddGroup(name)));
  }
}

absl::Status Gatekeeper::Check(const Address& address, Reach reach) const {
  if (!names_.ok()) return names_;
  if (reach != Reach::kAnybody || decide_ || named_.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      address.ToString(), ": listen: ", address.scheme,
      ": does not tell which user a client is, and option admit names some (listen at a local "
      "address, or let admit.decide decide)"));
}

Gate Gatekeeper::GateOf(const Address& address, Reach reach) {
  const bool asks = reach == Reach::kUsers || (reach == Reach::kAnybody && decide_);
  if (!asks) return [](const PeerIdentity&) { return absl::OkStatus(); };
  return [this, where = address.ToString()](const PeerIdentity& client) {
    if (const size_t closings = ClosingsOf(client.uid); closings > kMostClosings) {
      absl::Status refusal = absl::ResourceExhaustedError(
          absl::StrCat(closings, " descriptors of ", UserOf(client),
                       " are still to be closed, which takes long: nobody of that user is let in "
                       "meanwhile"));
      if (clingers_.Count(1) != 0) report_(Prefixed(absl::StrCat(where, ": accept"), refusal));
      return refusal;
    }
    if (MayComeIn(client)) return absl::OkStatus();
    const std::string who = UserOf(client);
    Refused(where, who);
    return absl::PermissionDeniedError(
        absl::StrCat(who,
                     " may not connect (the server's ServerOptions::admit says who may; by "
                     "default, its own user, here ",
                     ::geteuid(), ", and root)"));
  };
}

bool Gatekeeper::MayComeIn(const PeerIdentity& client) const {
  if (decide_) return decide_(client);
  if (anybody_) return true;
  return client.uid == 0 || client.uid == ::geteuid() || named_.Has(client);
}

void Gatekeeper::Refused(absl::string_view where, absl::string_view who) {
  const int count = refusals_.Count(1);
  if (count == 0) return;
  const std::string others =
      count == 1 ? "" : absl::StrCat(", and ", count - 1, " others before it");
  report_(absl::PermissionDeniedError(
      absl::StrCat(where, ": accept: ", who, others,
                   ", may not connect and was sent away (ServerOptions::admit says who may)")));
}

}  // namespace nigh
