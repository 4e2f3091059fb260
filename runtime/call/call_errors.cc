#include "nigh/runtime/call/call_errors.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/peer_identity.h"

namespace nigh {

std::string UserOf(const PeerIdentity& peer) {
  if (!peer.uid.has_value()) return "a user whom the system does not name";
  return absl::StrCat("user ", *peer.uid);
}

absl::Status Prefixed(absl::string_view prefix, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(prefix, ": ", status.message()));
}

absl::Status DeadlineExceeded(absl::string_view call) {
  return absl::DeadlineExceededError(absl::StrCat(call, ": deadline exceeded"));
}

absl::Status InheritedByFork(absl::string_view prefix, absl::string_view what) {
  return absl::FailedPreconditionError(absl::StrCat(
      prefix, ": this process is a fork of the one that made the ", what, " (make another ", what,
      " after the fork; or start programs with posix_spawn)"));
}

absl::Status TooLargeToSend(absl::string_view call, absl::string_view what, uint64_t size,
                            Peer peer, uint64_t limit) {
  const bool client = peer == Peer::kClient;
  return absl::ResourceExhaustedError(
      absl::StrCat(call, ": ", what, " of ", size, " bytes, where the ",
                   client ? "client" : "server", " accepts ", limit, " (raise its ",
                   client ? "ChannelOptions" : "ServerOptions", "::limits)"));
}

absl::Status TooLargeToReceive(absl::string_view call, const PayloadSizes& sizes, Peer peer,
                               const Limits& limits) {
  const bool message = sizes.message > limits.max_message;
  return absl::ResourceExhaustedError(
      absl::StrCat(call, ": received ", message ? "a message" : "an attachment", " of ",
                   message ? sizes.message : sizes.attachment, " bytes, where ",
                   message ? limits.max_message : limits.max_attachment, " are accepted (raise ",
                   peer == Peer::kClient ? "ServerOptions" : "ChannelOptions",
                   message ? "::limits.max_message)" : "::limits.max_attachment)"));
}

}  // namespace nigh
