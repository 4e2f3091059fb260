#include "nigh/runtime/client/retry.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "nigh/cancellation.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/runtime/call/used_context.h"
#include "nigh/runtime/client/backoff.h"

namespace nigh {

std::optional<absl::Duration> Retry::NextOfRepeatable(int attempts, const absl::Status& status,
                                                      bool answered) {
  if (status.ok()) {
    if (tokens_.load(std::memory_order_relaxed) < kMaxTokens) (void)AddTokens(kToken / 10);
    return std::nullopt;
  }
  const bool lost = !answered && absl::IsUnavailable(status);
  if (!lost && !absl::c_linear_search(policy_.codes, status.code())) return std::nullopt;
  // A call that has never been sent is the channel's to wait for, or not.
  if (attempts < 1) return std::nullopt;
  const int left = AddTokens(-kToken);
  if (attempts >= policy_.attempts || left <= kMaxTokens / 2) return std::nullopt;
  return Jittered(
      std::min(policy_.max_backoff, policy_.min_backoff * std::pow(kBackoffGrowth, attempts - 1)));
}

int Retry::AddTokens(int thousandths) {
  int tokens = tokens_.load(std::memory_order_relaxed);
  int sum;
  do {
    sum = std::clamp(tokens + thousandths, 0, kMaxTokens);
  } while (!tokens_.compare_exchange_weak(tokens, sum, std::memory_order_relaxed));
  return sum;
}

bool Retry::Pause(const UsedContext& context, absl::Duration pause) {
  if (pause <= absl::ZeroDuration()) return true;
  const Deadline end = Deadline::After(pause);
  if (!(end < context.deadline())) return false;
  Mutex mutex;
  CondVar cancelled;
  const Cancellation::Id hook = context.cancellation().Add([&] {
    MutexLock lock(mutex);
    cancelled.SignalAll();
  });
  {
    MutexLock lock(mutex);
    while (!end.HasPassed() && !context.cancellation().requested()) {
      cancelled.WaitUntil(mutex, end);
    }
  }
  context.cancellation().Remove(hook);
  return !context.cancellation().requested();
}

}  // namespace nigh
