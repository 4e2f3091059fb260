#include "nigh/runtime/client/expected_server.h"

#include <sys/types.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/base/accounts.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/transport/address.h"
#include "nigh/transport/transport.h"

namespace nigh {

absl::StatusOr<std::shared_ptr<const ExpectedServer>> ExpectedServer::Of(const Address& address,
                                                                         const Transport& transport,
                                                                         absl::string_view option) {
  if (transport.reach != Reach::kUsers) {
    if (option.empty()) return nullptr;
    return absl::InvalidArgumentError(
        absl::StrCat("option expect_server: ", address.ToString(), ": ", address.scheme,
                     ": does not tell which user a server is (leave it out)"));
  }
  const absl::string_view name = address.Parameter("server", option);
  if (name == "*") return nullptr;
  std::optional<uid_t> user;
  if (!name.empty()) {
    user = FindUser(name);
    if (!user.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat(address.ToString(), ": the server's user: there is no user \"", name,
                       "\" (give a name, a number, or * for anybody)"));
    }
  }
  return std::shared_ptr<const ExpectedServer>(new ExpectedServer(address, transport, user));
}

bool ExpectedServer::Expects(uid_t user) const {
  if (user == 0) return true;
  if (user_.has_value()) return user == *user_;
  return user == ::geteuid() || (owner_ != nullptr && owner_(address_) == user);
}

absl::Status ExpectedServer::Check(const PeerIdentity& listened, const PeerIdentity& server) const {
  for (const PeerIdentity* const who : {&server, &listened}) {
    if (who->uid.has_value() && Expects(*who->uid)) continue;
    return absl::PermissionDeniedError(absl::StrCat(
        address_.ToString(), ": connect: ", UserOf(*who),
        who == &server ? " serves there, and not " : " has listened there, and not ",
        user_.has_value() ? absl::StrCat("user ", *user_)
                          : absl::StrCat("user ", ::geteuid(), ", whose process this is"),
        " or root (is it to be trusted? then say so: ?server=USER in the address, or "
        "ChannelOptions::expect_server)"));
  }
  return absl::OkStatus();
}

}  // namespace nigh
