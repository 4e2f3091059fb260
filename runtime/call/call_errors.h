#ifndef NIGH_RUNTIME_CALL_CALL_ERRORS_H_
#define NIGH_RUNTIME_CALL_CALL_ERRORS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/wire/sections.h"

// Statuses of calls that go wrong, the same at both ends. `call` begins each message. It is the
// method's name, which a client puts behind the address.
namespace nigh {

// "user 1000": what messages call a peer's user.
std::string UserOf(const PeerIdentity& peer);

// Returns `status` with "`prefix`: " before its message, and without its payloads.
absl::Status Prefixed(absl::string_view prefix, const absl::Status& status);

// DEADLINE_EXCEEDED.
absl::Status DeadlineExceeded(absl::string_view call);

// FAILED_PRECONDITION: a child of fork(2) uses `what` ("channel") of its parent.
absl::Status InheritedByFork(absl::string_view prefix, absl::string_view what);

enum class Peer { kClient, kServer };

// RESOURCE_EXHAUSTED: `what` ("a message") of `size` bytes cannot be sent, because `peer` accepts
// only `limit`.
absl::Status TooLargeToSend(absl::string_view call, absl::string_view what, uint64_t size,
                            Peer peer, uint64_t limit);

// Whether this end, with `limits`, accepts a payload with so much in it.
inline bool IsAccepted(const PayloadSizes& sizes, const Limits& limits) {
  return sizes.message <= limits.max_message && sizes.attachment <= limits.max_attachment;
}

// RESOURCE_EXHAUSTED: a payload has come from `peer` that is not accepted.
absl::Status TooLargeToReceive(absl::string_view call, const PayloadSizes& sizes, Peer peer,
                               const Limits& limits);

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_CALL_ERRORS_H_
