#ifndef NIGH_RUNTIME_SERVER_USER_LIST_H_
#define NIGH_RUNTIME_SERVER_USER_LIST_H_

#include <sys/types.h>

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/peer_identity.h"

namespace nigh {

// Users and groups that a server's program has named, looked up once.
class UserList {
 public:
  // INVALID_ARGUMENT: there is no such user or group.
  absl::Status AddUser(absl::string_view name);
  absl::Status AddGroup(absl::string_view name);

  bool empty() const { return users_.empty() && groups_.empty(); }
  // Whether `peer` is one of the users, or in one of the groups. One of whom nothing is known is
  // not.
  bool Has(const PeerIdentity& peer) const;

 private:
  std::vector<uid_t> users_;
  std::vector<gid_t> groups_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_USER_LIST_H_
