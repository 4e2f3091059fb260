#include "nigh/options.h"

#include <cstdint>
#include <limits>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/transport/frame.h"

namespace nigh {
namespace {

// Bounds of the limits: protobuf cannot express longer messages, and the others keep what a peer
// can ask for finite.
constexpr size_t kMaxMessage = std::numeric_limits<int32_t>::max();
constexpr size_t kMaxAttachment = size_t{1} << 30;
constexpr size_t kMaxMetadata = size_t{64} << 20;
constexpr uint32_t kMaxCalls = 1u << 20;

absl::Status Refuse(absl::string_view option, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("option ", option, ": ", what));
}

absl::Status Check(const Limits& limits) {
  if (limits.max_message == 0 || limits.max_message > kMaxMessage) {
    return Refuse("limits.max_message", absl::StrCat("must be 1 to ", kMaxMessage, " bytes"));
  }
  if (limits.max_attachment > kMaxAttachment) {
    return Refuse("limits.max_attachment",
                  absl::StrCat("must be at most ", kMaxAttachment, " bytes"));
  }
  if (limits.max_metadata > kMaxMetadata) {
    return Refuse("limits.max_metadata", absl::StrCat("must be at most ", kMaxMetadata, " bytes"));
  }
  if (limits.max_calls == 0 || limits.max_calls > kMaxCalls) {
    return Refuse("limits.max_calls", absl::StrCat("must be 1 to ", kMaxCalls));
  }
  if (limits.max_descriptors > kMostDescriptors) {
    return Refuse("limits.max_descriptors", absl::StrCat("must be at most ", kMostDescriptors));
  }
  if (limits.max_untaken_descriptors < limits.max_descriptors) {
    return Refuse("limits.max_untaken_descriptors", "must be at least limits.max_descriptors");
  }
  if (limits.window == 0) return Refuse("limits.window", "must be at least 1 byte");
  return absl::OkStatus();
}

absl::Status Check(const WaitPolicy& wait) {
  if (wait.spins < 0 || wait.yields < 0) return Refuse("wait", "must not be negative");
  return absl::OkStatus();
}

template <class Interceptors>
absl::Status Check(const Interceptors& interceptors) {
  if (!absl::c_linear_search(interceptors, nullptr)) return absl::OkStatus();
  return Refuse("interceptors", "must not be null");
}

}  // namespace

absl::Status CheckOptions(const ChannelOptions& options) {
  if (absl::Status status = Check(options.limits); !status.ok()) return status;
  if (absl::Status status = Check(options.wait); !status.ok()) return status;
  if (absl::Status status = Check(options.interceptors); !status.ok()) return status;
  if (options.connect_timeout <= absl::ZeroDuration()) {
    return Refuse("connect_timeout", "must be positive");
  }
  if (options.min_backoff <= absl::ZeroDuration() || options.max_backoff < options.min_backoff) {
    return Refuse("min_backoff, max_backoff",
                  "must be positive, and the first not above the second");
  }
  const RetryPolicy& retry = options.retry;
  if (retry.attempts < 1) return Refuse("retry.attempts", "must be at least 1");
  if (retry.min_backoff <= absl::ZeroDuration() || retry.max_backoff < retry.min_backoff) {
    return Refuse("retry.min_backoff, retry.max_backoff",
                  "must be positive, and the first not above the second");
  }
  if (absl::c_linear_search(retry.codes, absl::StatusCode::kOk)) {
    return Refuse("retry.codes", "OK is not to be repeated");
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(const ServerOptions& options) {
  if (absl::Status status = Check(options.limits); !status.ok()) return status;
  if (absl::Status status = Check(options.wait); !status.ok()) return status;
  if (absl::Status status = Check(options.interceptors); !status.ok()) return status;
  if (options.pollers < 0 || options.max_threads < 1) {
    return Refuse("pollers, max_threads", "must not be negative; there is at least one thread");
  }
  if (options.max_threads_of_connection < 1 || options.max_threads_of_user < 1) {
    return Refuse("max_threads_of_connection, max_threads_of_user", "must be at least 1");
  }
  if (options.max_connections < 1 || options.max_connections_of_user < 1) {
    return Refuse("max_connections, max_connections_of_user", "must be at least 1");
  }
  if (options.hello_timeout <= absl::ZeroDuration()) {
    return Refuse("hello_timeout", "must be positive");
  }
  if (options.thread_timeout < absl::ZeroDuration()) {
    return Refuse("thread_timeout", "must not be negative");
  }
  return absl::OkStatus();
}

}  // namespace nigh
