// The interoperability cases of gRPC, by their names there.

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "tests/conformance/call_suite.h"
#include "tests/contract/subject.h"
#include "tests/interop/cases.h"

namespace nigh::testing {
namespace {

class Interop : public CallSuite {
 protected:
  void Passes(absl::string_view name) {
    EXPECT_EQ(RunInteropCase(name, channel()), absl::OkStatus());
  }
};
INSTANTIATE_TEST_SUITE_P(Peer, Interop, ::testing::ValuesIn(Placements()), PlacementName);

TEST_P(Interop, EmptyUnary) { Passes("empty_unary"); }
TEST_P(Interop, LargeUnary) { Passes("large_unary"); }
TEST_P(Interop, ClientStreaming) { Passes("client_streaming"); }
TEST_P(Interop, ServerStreaming) { Passes("server_streaming"); }
TEST_P(Interop, PingPong) { Passes("ping_pong"); }
TEST_P(Interop, EmptyStream) { Passes("empty_stream"); }
TEST_P(Interop, CustomMetadata) { Passes("custom_metadata"); }
TEST_P(Interop, StatusCodeAndMessage) { Passes("status_code_and_message"); }
TEST_P(Interop, SpecialStatusMessage) { Passes("special_status_message"); }
TEST_P(Interop, UnimplementedMethod) { Passes("unimplemented_method"); }
TEST_P(Interop, UnimplementedService) { Passes("unimplemented_service"); }
TEST_P(Interop, CancelAfterBegin) { Passes("cancel_after_begin"); }
TEST_P(Interop, CancelAfterFirstResponse) { Passes("cancel_after_first_response"); }
TEST_P(Interop, TimeoutOnSleepingServer) { Passes("timeout_on_sleeping_server"); }
TEST_P(Interop, ConcurrentLargeUnary) {
  EXPECT_EQ(ConcurrentLargeUnary(channel(), TheSubject().slow ? 2 : 1000), absl::OkStatus());
}

}  // namespace
}  // namespace nigh::testing
