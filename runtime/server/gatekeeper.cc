#include "nigh/runtime/server/gatekeeper.h"

#include <sys/types.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/base/accounts.h"
#include "nigh/transport/address.h"
#include "nigh/transport/transport.h"

namespace nigh {
namespace {

absl::Status NoSuch(absl::string_view kind, absl::string_view name) {
  return absl::InvalidArgumentError(absl::StrCat("option admit: there is no ", kind, " \"", name,
                                                 "\" (give a name or a number)"));
}

std::string NameOf(const PeerIdentity& client) {
  if (!client.uid.has_value()) return "a user that has no number here";
  return absl::StrCat("user ", *client.uid);
}

}  // namespace

Gatekeeper::Gatekeeper(const Admission& admission, Report report)
    : decide_(admission.decide), report_(std::move(report)) {
  for (const std::string& name : admission.users) {
    const std::optional<uid_t> user = name == "*" ? std::nullopt : FindUser(name);
    if (user.has_value()) users_.push_back(*user);
    if (name == "*") anybody_ = true;
    if (name != "*" && !user.has_value()) names_.Update(NoSuch("user", name));
  }
  for (const std::string& name : admission.groups) {
    const std::optional<gid_t> group = FindGroup(name);
    if (group.has_value()) groups_.push_back(*group);
    if (!group.has_value()) names_.Update(NoSuch("group", name));
  }
}

absl::Status Gatekeeper::Check(const Address& address, Reach reach) const {
  if (!names_.ok()) return names_;
  if (reach != Reach::kAnybody || decide_ || (users_.empty() && groups_.empty())) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      address.ToString(), ": listen: ", address.scheme,
      ": does not tell which user a client is, and option admit names some (listen at a local "
      "address, or let admit.decide decide)"));
}

Gate Gatekeeper::GateOf(const Address& address, Reach reach) {
  const bool asks = reach == Reach::kUsers || (reach == Reach::kAnybody && decide_);
  if (!asks) return [](const PeerIdentity&) { return absl::OkStatus(); };
  return [this, where = address.ToString()](const PeerIdentity& client) {
    if (MayComeIn(client)) return absl::OkStatus();
    const std::string who = NameOf(client);
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
  if (client.uid.has_value() && (*client.uid == 0 || *client.uid == ::geteuid() ||
                                 absl::c_linear_search(users_, *client.uid))) {
    return true;
  }
  return absl::c_any_of(groups_, [&client](gid_t group) {
    return client.gid == group ||
           (client.groups.has_value() && absl::c_linear_search(*client.groups, group));
  });
}

void Gatekeeper::Refused(absl::string_view where, absl::string_view who) {
  uint64_t count = 0;
  {
    MutexLock lock(mutex_);
    ++untold_;
    if (!next_report_.HasPassed()) return;
    next_report_ = Deadline::After(kReportEvery);
    count = std::exchange(untold_, 0);
  }
  const std::string others =
      count == 1 ? "" : absl::StrCat(", and ", count - 1, " others before it");
  report_(absl::PermissionDeniedError(
      absl::StrCat(where, ": accept: ", who, others,
                   ", may not connect and was sent away (ServerOptions::admit says who may)")));
}

}  // namespace nigh
