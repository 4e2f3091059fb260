#include "tests/conformance/call_suite.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"

namespace nigh::testing {
namespace {

std::vector<Placement> Processes() {
  if (!TheSubject().processes) return {};
  return {Placement::kProcess};
}

}  // namespace

void CallSuite::TearDown() {
  // A server that answers also heeds signals.
  if (server_ != nullptr && server_->runs()) (void)WeighServer();
  channel_ = nullptr;
  flags_ = nullptr;
  if (server_ != nullptr && server_->runs()) {
    // A handler may still wait for a test that failed.
    if (HasFailure() && GetParam() == Placement::kProcess) {
      server_->Kill();
    } else {
      EXPECT_EQ(server_->Stop(), absl::OkStatus());
    }
  }
  server_ = nullptr;
}

void CallSuite::Serve(const ServerSettings& settings) {
  absl::StatusOr<std::unique_ptr<TestServer>> server = TestServer::Start(GetParam(), settings);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
}

void CallSuite::ServeAgain() {
  // The flags of the old one are gone.
  flags_ = nullptr;
  Serve(ServerSettings(server_->settings()));
}

TestServer& CallSuite::server() {
  if (server_ == nullptr) Serve();
  return *server_;
}

const std::shared_ptr<Channel>& CallSuite::channel() {
  if (channel_ == nullptr) channel_ = Dial();
  return channel_;
}

std::shared_ptr<Channel> CallSuite::Dial(ChannelOptions options) {
  options.transports = {&TheSubject().transport, 1};
  return nigh::Dial(server().address(), options).value();
}

const Flags::Stub& CallSuite::flags() {
  if (flags_ == nullptr) flags_ = std::make_unique<Flags::Stub>(Dial());
  return *flags_;
}

void CallSuite::Raise(absl::string_view name, int times) {
  Flag flag;
  flag.set_name(std::string(name));
  flag.set_times(times);
  EXPECT_EQ(flags().Raise(flag).status(), absl::OkStatus());
}

void CallSuite::Await(absl::string_view name, int times) {
  Flag flag;
  flag.set_name(std::string(name));
  flag.set_times(times);
  EXPECT_EQ(flags().Await(flag).status(), absl::OkStatus());
}

int CallSuite::Count(absl::string_view name) {
  Flag flag;
  flag.set_name(std::string(name));
  const absl::StatusOr<Flag> counted = flags().Count(flag);
  EXPECT_EQ(counted.status(), absl::OkStatus());
  return counted.ok() ? counted->times() : -1;
}

Weight CallSuite::WeighServer() {
  absl::StatusOr<Weight> weight = flags().Weigh(Nothing());
  EXPECT_EQ(weight.status(), absl::OkStatus());
  return weight.ok() ? *weight : Weight();
}

std::vector<Placement> Placements() {
  std::vector<Placement> placements = {Placement::kThread};
  if (TheSubject().processes) placements.push_back(Placement::kProcess);
  return placements;
}

std::string PlacementName(const ::testing::TestParamInfo<Placement>& info) {
  return info.param == Placement::kThread ? "Thread" : "Process";
}

Blob BlobOf(size_t size) {
  Blob blob;
  blob.set_body(std::string(size, 'b'));
  return blob;
}

Report ReportIn(const Blob& blob) {
  Report report;
  EXPECT_TRUE(report.ParseFromString(blob.body()));
  return report;
}

int Times(int usual) { return TheSubject().slow ? std::max(1, usual / 20) : usual; }

size_t Bytes(size_t usual) { return TheSubject().slow ? std::min<size_t>(usual, 20'000) : usual; }

// A binary may have tests of other fixtures only.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CallSuite);
INSTANTIATE_TEST_SUITE_P(Peer, CallSuite, ::testing::ValuesIn(Placements()), PlacementName);
// inproc: has no process to run these with.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ProcessSuite);
INSTANTIATE_TEST_SUITE_P(Peer, ProcessSuite, ::testing::ValuesIn(Processes()), PlacementName);

}  // namespace nigh::testing
