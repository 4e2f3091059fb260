#ifndef NIGH_RUNTIME_CLIENT_RETRY_H_
#define NIGH_RUNTIME_CLIENT_RETRY_H_

#include <atomic>
#include <limits>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "nigh/method.h"
#include "nigh/options.h"
#include "nigh/runtime/call/used_context.h"

namespace nigh {

// Decides which calls of a channel are made once more, though a handler may have seen them: the
// policy, and what is left of the budget. Thread-safe.
//
// The budget keeps a server that fails from getting several times the calls (gRPC's proposal A6,
// "retry throttling"): a failure takes a token, and a success gives a tenth of one back. Nothing is
// repeated while no more than half of the tokens are left.
class Retry {
 public:
  // How often a call that no handler has seen begins anew: a server that refuses all that it gets
  // is not asked for ever.
  static constexpr int kMostBegins = 16;

  explicit Retry(const RetryPolicy& policy) : policy_(policy) {}

  // In place of the attempts of a call that is not to be made again, whatever the policy says.
  static constexpr int kNoMore = std::numeric_limits<int>::max();

  // To be asked after each attempt, once. How long to wait before the next one; nothing: there is
  // none. `answered`: the server has said so; otherwise the call was lost.
  std::optional<absl::Duration> Next(const Method& method, int attempts, const absl::Status& status,
                                     bool answered) {
    if (method.idempotency == Idempotency::kUnknown) return std::nullopt;
    return NextOfRepeatable(attempts, status, answered);
  }

  // Waits so long. False: the call's deadline or cancellation does not let it.
  static bool Pause(const UsedContext& context, absl::Duration pause);

 private:
  std::optional<absl::Duration> NextOfRepeatable(int attempts, const absl::Status& status,
                                                 bool answered);
  // Adds thousandths of a token. Returns what there is then.
  int AddTokens(int thousandths);

  static constexpr int kToken = 1000;
  static constexpr int kMaxTokens = 10 * kToken;

  const RetryPolicy policy_;
  std::atomic<int> tokens_ = kMaxTokens;  // thousandths
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_RETRY_H_
