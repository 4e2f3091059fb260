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
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/interceptor.h"
#include "tests/conformance/child.h"
#include "tests/contract/subject.h"
#include "tests/processes/counted_calls.h"
#include "tests/processes/host.h"
#include "tests/processes/tally.h"

namespace nigh::testing {
namespace {

constexpr int kThreads = 8;
constexpr int kRestarts = 30;
constexpr uint64_t kCalls = 100'000;
constexpr uint64_t kCallsOfOtherKinds = 20'000;
constexpr uint64_t kCallsOfSlowMedia = 5'000;

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

// How calls are made. With interceptors unary calls go another way.
struct Load {
  const CountedCall& call;
  bool intercepted = false;
  // So many at least. What most programs call by is tried most.
  uint64_t calls() const {
    if (TheSubject().slow) return kCallsOfSlowMedia;
    return &call == &kEveryCountedCall[0] ? kCalls : kCallsOfOtherKinds;
  }
};

class RestartTest : public ::testing::TestWithParam<Load> {};

TEST_P(RestartTest, NoCallIsLostAndNoneIsHandledTwice) {
  const Load& load = GetParam();
  Tally tally(3 * load.calls());
  std::unique_ptr<Child> server = StartServer(FreshAddress().ToString(), tally);
  const std::string address = server->Hear();
  ChannelOptions options = OptionsOfChannel();
  if (load.intercepted) options.interceptors = {std::make_shared<Onlooker>()};
  const std::shared_ptr<Channel> channel = Dial(address, options).value();

  std::atomic<uint64_t> next = 0;
  std::atomic<bool> restarted = false;
  Complaints complaints;
  std::vector<std::thread> callers;
  for (int i = 0; i < kThreads; ++i) {
    callers.emplace_back([&] {
      const Host::Stub stub(channel);
      const auto goes_on = [&](uint64_t id) {
        return id < tally.size() && !(restarted && id >= load.calls());
      };
      for (uint64_t id = next++; goes_on(id); id = next++) {
        ClientContext context({.timeout = absl::Seconds(60), .wait_for_ready = id % 2 == 0});
        const absl::Time begun = absl::Now();
        const absl::StatusOr<uint64_t> number = load.call.make(stub, context, id);
        // One that does not wait for a server may find none, or none in time, which is a second
        // after it was refused. That does not lose it.
        if (absl::IsUnavailable(number.status()) && !context.wait_for_ready() &&
            (absl::StrContains(number.status().message(), ": connect: ") ||
             absl::Now() - begun > absl::Seconds(1))) {
          continue;
        }
        if (!number.ok()) {
          complaints.Add(absl::StrCat(id, ": ", number.status().ToString()));
        } else if (*number != id || tally[id] != 1) {
          complaints.Add(absl::StrCat(id, ": got ", *number, ", handled ", tally[id]));
        }
      }
    });
  }
  for (int i = 1; i <= kRestarts; ++i) {
    // Between two restarts calls are made.
    while (next < load.calls() * i / kRestarts) std::this_thread::yield();
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
  EXPECT_GE(next, load.calls());
}

std::vector<Load> Loads() {
  std::vector<Load> loads;
  for (const CountedCall& call : kEveryCountedCall) loads.push_back({call});
  loads.push_back({.call = kEveryCountedCall[0], .intercepted = true});
  return loads;
}

std::string NameOf(const ::testing::TestParamInfo<Load>& info) {
  return absl::StrCat(info.param.call.name, info.param.intercepted ? "Intercepted" : "");
}

INSTANTIATE_TEST_SUITE_P(Calls, RestartTest, ::testing::ValuesIn(Loads()), &NameOf);

}  // namespace
}  // namespace nigh::testing
