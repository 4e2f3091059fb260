#include "nigh/runtime/server/user_list.h"

#include <sys/types.h>

#include <optional>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/base/accounts.h"

namespace nigh {
namespace {

absl::Status NoSuch(absl::string_view kind, absl::string_view name) {
  return absl::InvalidArgumentError(
      absl::StrCat("there is no ", kind, " \"", name, "\" (give a name or a number)"));
}

}  // namespace

absl::Status UserList::AddUser(absl::string_view name) {
  const std::optional<uid_t> user = FindUser(name);
  if (!user.has_value()) return NoSuch("user", name);
  users_.push_back(*user);
  return absl::OkStatus();
}

absl::Status UserList::AddGroup(absl::string_view name) {
  const std::optional<gid_t> group = FindGroup(name);
  if (!group.has_value()) return NoSuch("group", name);
  groups_.push_back(*group);
  return absl::OkStatus();
}

bool UserList::Has(const PeerIdentity& peer) const {
  if (peer.uid.has_value() && absl::c_linear_search(users_, *peer.uid)) return true;
  return absl::c_any_of(groups_, [&peer](gid_t group) {
    return peer.gid == group ||
           (peer.groups.has_value() && absl::c_linear_search(*peer.groups, group));
  });
}

}  // namespace nigh
