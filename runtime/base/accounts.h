#ifndef NIGH_RUNTIME_BASE_ACCOUNTS_H_
#define NIGH_RUNTIME_BASE_ACCOUNTS_H_

#include <sys/types.h>

#include <optional>

#include "absl/strings/string_view.h"

namespace nigh {

// The user, or the group, of that name or number. Nothing: there is none. A name may be looked up
// over the network, as the system is set up (nsswitch.conf(5)).
std::optional<uid_t> FindUser(absl::string_view name);
std::optional<gid_t> FindGroup(absl::string_view name);

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_ACCOUNTS_H_
