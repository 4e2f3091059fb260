// Servers are restarted under load, as an update does it: the new one takes the address as soon as
// the old one lets go of it. No call fails, and no handler sees one twice.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/interceptor.h"
#include "tests/conformance/child.h"
#include "tests/contract/subject.h"
#include "tests/processes/host.h"
#include "tests/processes/tally.h"

namespace nigh::testing {
namespace {

constexpr int kThreads = 8;
constexpr int kRestarts = 30;
constexpr uint64_t kCalls = 100'000;
constexpr uint64_t kCallsOfSlowMedia = 5'000;

uint64_t Calls() { return TheSubject().slow ? kCallsOfSlowMedia : kCalls; }

// What goes wrong in several threads.
class Complaints {
 public:
  void Add(std::string complaint) {
    const std::lock_guard lock(mutex_);
    ++count_;
    if (count_ <= kShown) text_ += complaint + "\n";
  }
  int count() const { return count_; }
  const std::string& text() const { return text_; }

 private:
  static constexpr int kShown = 10;
  std::mutex mutex_;
  int count_ = 0;
  std::string text_;
};

std::unique_ptr<Child> StartServer(const std::string& address, const Tally& tally) {
  return std::make_unique<Child>(
      std::vector<std::string>{absl::StrCat("--tally=", tally.path()), "--serve=" + address});
}

class Onlooker final : public ClientInterceptor {};

// The ways in which calls are made. With interceptors they go another way.
enum class Kind { kUnary, kIntercepted, kStream };

absl::Status Call(Kind kind, const Host::Stub& stub, const Number& request, Number* reply) {
  ClientContext context({.timeout = absl::Seconds(60), .wait_for_ready = true});
  if (kind != Kind::kStream) return stub.Count(context, request, reply);
  auto replies = stub.Repeat(context, request);
  int count = 0;
  while (replies.Read(reply)) ++count;
  absl::Status end = replies.Finish();
  if (end.ok() && count != 3) return absl::DataLossError(absl::StrCat(count, " replies"));
  return end;
}

class RestartTest : public ::testing::TestWithParam<Kind> {};

TEST_P(RestartTest, NoCallIsLostAndNoneIsHandledTwice) {
  Tally tally(3 * Calls());
  std::unique_ptr<Child> server = StartServer(FreshAddress().ToString(), tally);
  const std::string address = server->Hear();
  ChannelOptions options = OptionsOfChannel();
  if (GetParam() == Kind::kIntercepted) options.interceptors = {std::make_shared<Onlooker>()};
  const std::shared_ptr<Channel> channel = Dial(address, options).value();

  std::atomic<uint64_t> next = 0;
  std::atomic<bool> restarted = false;
  Complaints complaints;
  std::vector<std::thread> callers;
  for (int i = 0; i < kThreads; ++i) {
    callers.emplace_back([&] {
      const Host::Stub stub(channel);
      Number request;
      Number reply;
      for (uint64_t id = next++; id < tally.size() && !(restarted && id >= Calls()); id = next++) {
        request.set_number(id);
        const absl::Status end = Call(GetParam(), stub, request, &reply);
        if (!end.ok()) {
          complaints.Add(absl::StrCat(id, ": ", end.ToString()));
        } else if (reply.number() != id || tally[id] != 1) {
          complaints.Add(absl::StrCat(id, ": got ", reply.number(), ", handled ", tally[id]));
        }
      }
    });
  }
  for (int i = 1; i <= kRestarts; ++i) {
    // Between two restarts calls are made.
    while (next < Calls() * i / kRestarts) std::this_thread::yield();
    std::unique_ptr<Child> successor = StartServer(address, tally);
    server->Signal(SIGTERM);
    EXPECT_EQ(successor->Hear(), address);
    EXPECT_EQ(server->Wait(), absl::OkStatus());
    server = std::move(successor);
  }
  restarted = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(complaints.count(), 0) << "of " << next << " calls:\n" << complaints.text();
  uint64_t twice = 0;
  for (uint64_t id = 0; id < tally.size(); ++id) twice += tally[id] > 1 ? 1 : 0;
  EXPECT_EQ(twice, 0);
  EXPECT_GE(next, Calls());
}

std::string NameOf(const ::testing::TestParamInfo<Kind>& info) {
  constexpr const char* kNames[] = {"Unary", "Intercepted", "Stream"};
  return kNames[static_cast<int>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Kinds, RestartTest,
                         ::testing::Values(Kind::kUnary, Kind::kIntercepted, Kind::kStream),
                         &NameOf);

}  // namespace
}  // namespace nigh::testing
