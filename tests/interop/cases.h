#ifndef NIGH_TESTS_INTEROP_CASES_H_
#define NIGH_TESTS_INTEROP_CASES_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nigh/channel.h"

namespace nigh::testing {

// The client of gRPC's interoperability tests (doc/interop-test-descriptions.md of gRPC): each case
// calls grpc.testing.TestService over the channel. OK: passed; otherwise the error says what was
// not as it should be.
struct InteropCase {
  absl::string_view name;  // as gRPC calls it
  absl::Status (*run)(const std::shared_ptr<Channel>& channel);
};

absl::Span<const InteropCase> InteropCases();

// The case of that name; NOT_FOUND lists those there are.
absl::Status RunInteropCase(absl::string_view name, const std::shared_ptr<Channel>& channel);

// concurrent_large_unary with another number than 1,000 at once.
absl::Status ConcurrentLargeUnary(const std::shared_ptr<Channel>& channel, int calls);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_INTEROP_CASES_H_
