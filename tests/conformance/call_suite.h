#ifndef NIGH_TESTS_CONFORMANCE_CALL_SUITE_H_
#define NIGH_TESTS_CONFORMANCE_CALL_SUITE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/options.h"
#include "tests/conformance/descriptor_check.h"
#include "tests/conformance/script.h"
#include "tests/conformance/scripted.nigh.h"
#include "tests/conformance/stream_call.h"
#include "tests/conformance/test_server.h"
#include "tests/contract/puppet.h"
#include "tests/contract/subject.h"

namespace nigh::testing {

// A test of calls over TheSubject(), to a server in this process or in another. After each test the
// server must end cleanly, and this process must have as many open descriptors as before.
class CallSuite : public ::testing::TestWithParam<Placement> {
 protected:
  // Starts the server. To be called first, where a test wants settings other than the usual ones.
  void Serve(const ServerSettings& settings = {});
  // Returns the server; starts it if need be.
  TestServer& server();
  // Starts another server at the same address, after the end of the first.
  void ServeAgain();

  // Returns a channel to the server, the same one each time.
  const std::shared_ptr<Channel>& channel();
  // Returns a new channel to the server.
  std::shared_ptr<Channel> Dial(ChannelOptions options = {});
  // Returns a stub on channel().
  Scripted::Stub stub() { return Scripted::Stub(channel()); }

  // Use the server's flags (Board), over a channel of their own.
  void Raise(absl::string_view flag, int times = 1);
  void Await(absl::string_view flag, int times = 1);
  int Count(absl::string_view flag);
  // Weighs the server's process.
  Weight WeighServer();

  void TearDown() override;

 private:
  const Flags::Stub& flags();

  const DescriptorCheck descriptors_;
  std::unique_ptr<TestServer> server_;
  std::shared_ptr<Channel> channel_;
  std::unique_ptr<Flags::Stub> flags_;
};

// The same, for what only a server in a process of its own can do: be killed or stopped.
class ProcessSuite : public CallSuite {};

// The placements of a server that the subject allows.
std::vector<Placement> Placements();
// Returns "Thread" or "Process".
std::string PlacementName(const ::testing::TestParamInfo<Placement>& info);

// Returns a blob of `size` bytes.
Blob BlobOf(size_t size);
// Returns the report that a handler has made of its call.
Report ReportIn(const Blob& blob);

// Returns how often a test does something: `usual` times, or fewer on a slow medium.
int Times(int usual);

// Returns how many bytes a test sends, likewise.
size_t Bytes(size_t usual);

MATCHER_P(HasCode, code, "") {
  *result_listener << arg;
  return arg.code() == code;
}

inline constexpr absl::StatusCode kOk = absl::StatusCode::kOk;
inline constexpr absl::StatusCode kCancelled = absl::StatusCode::kCancelled;
inline constexpr absl::StatusCode kUnknown = absl::StatusCode::kUnknown;
inline constexpr absl::StatusCode kDeadlineExceeded = absl::StatusCode::kDeadlineExceeded;
inline constexpr absl::StatusCode kResourceExhausted = absl::StatusCode::kResourceExhausted;
inline constexpr absl::StatusCode kAborted = absl::StatusCode::kAborted;
inline constexpr absl::StatusCode kUnimplemented = absl::StatusCode::kUnimplemented;
inline constexpr absl::StatusCode kInternal = absl::StatusCode::kInternal;
inline constexpr absl::StatusCode kUnavailable = absl::StatusCode::kUnavailable;

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONFORMANCE_CALL_SUITE_H_
