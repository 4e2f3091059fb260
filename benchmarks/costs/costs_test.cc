// What a steady unary call over a Unix socket and over shared memory costs, counted, in one
// process: client and server. Prints what it counted as lines "cost NAME VALUE", which ./dev bench
// takes up.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "benchmarks/costs/counted.h"
#include "benchmarks/echo.nigh.h"
#include "benchmarks/echo_service.h"
#include "nigh/deadline.h"
#include "nigh/nigh.h"
#include "nigh/transport/pipe_ends.h"

namespace nigh::benchmarks {
namespace {

constexpr int kCalls = 2000;

constexpr char kUnix[] = "unix-abstract:nigh-costs-";
constexpr char kShm[] = "shm:/tmp/nigh-costs-";

// A server and a channel to it that wait as `wait` says.
class Pair {
 public:
  Pair(const char* medium, WaitPolicy wait)
      : Pair(absl::StrCat(medium, ::getpid()), absl::StrCat(medium, ::getpid()), wait) {}
  Pair(const std::string& server, const std::string& client, WaitPolicy wait)
      : server_({.wait = wait, .pollers = 1}) {
    server_.Register(echo_);
    EXPECT_TRUE(server_.Listen(server).ok());
    EXPECT_TRUE(server_.Start().ok());
    stub_ = std::make_unique<Echo::Stub>(*Dial(client, {.wait = wait}));
  }

  // Everything that is set up once has been when this returns.
  void WarmUp(const Payload& request) { Call(request, 200); }

  void Call(const Payload& request, int calls) {
    for (int i = 0; i < calls; ++i) {
      ClientContext context;
      const absl::Status status = stub_->Unary(context, request, &reply_);
      ASSERT_TRUE(status.ok()) << status;
    }
    ASSERT_EQ(reply_.data(), request.data());
  }

 private:
  EchoService echo_;
  Server server_;
  std::unique_ptr<Echo::Stub> stub_;
  Payload reply_;
};

Payload PayloadOf(size_t size) {
  Payload payload;
  payload.set_data(std::string(size, 'x'));
  return payload;
}

void Report(const std::string& name, double value) {
  std::printf("cost %s %.3f\n", name.c_str(), value);
}

double ACall(int64_t count) { return static_cast<double>(count) / kCalls; }

// What was counted since the last Reset, by kind.
void ReportSystemCalls(const std::string& prefix) {
  Report(prefix + "_carrying", ACall(counts.sends + counts.receives));
  Report(prefix + "_empty", ACall(counts.blocked));
  Report(prefix + "_yields", ACall(counts.yields));
  Report(prefix + "_waits", ACall(counts.sleeps));
  Report(prefix + "_other", ACall(counts.looks + counts.wakeups + counts.timers));
}

class AllocationTest : public testing::TestWithParam<const char*> {};

TEST_P(AllocationTest, ASteadyUnaryCallAllocatesNothing) {
  if (!CountsAllocations()) GTEST_SKIP() << "the sanitizer's allocator cannot be counted";
  Pair pair(GetParam(), {});
  for (const size_t size : {0, 64, 4096}) {
    const Payload request = PayloadOf(size);
    pair.WarmUp(request);
    // Where another process keeps a handler from running for a millisecond, the watchdog gives its
    // poller's role away, and that allocates. The calmest of several batches shows the call alone.
    constexpr int kBatches = 10;
    int64_t fewest = std::numeric_limits<int64_t>::max();
    for (int i = 0; i < kBatches; ++i) {
      counts.Reset();
      pair.Call(request, kCalls / kBatches);
      fewest = std::min(fewest, counts.allocations.load());
    }
    Report(absl::StrCat(GetParam() == kShm ? "shm_" : "", "allocations_", size),
           ACall(fewest * kBatches));
    EXPECT_EQ(fewest, 0) << "in " << kCalls / kBatches << " calls of " << size << " bytes";
  }
}

INSTANTIATE_TEST_SUITE_P(Media, AllocationTest, testing::Values(kUnix, kShm),
                         [](const auto& test) { return test.param == kShm ? "shm" : "unix"; });

constexpr WaitPolicy kAsleep = {.spins = 0, .yields = 0};

std::unique_ptr<Pair> OverPipes(WaitPolicy wait) {
  auto [ours, theirs] = MakePipes().value();
  return std::make_unique<Pair>(theirs.Release(), ours.Release(), wait);
}

// One send and one receive of each side is what a byte stream costs at least, and one wait. A read
// that finds less than there is room for has found all, so none is in vain.
void ExpectSixSystemCalls(Pair& pair, const std::string& name) {
  const Payload request = PayloadOf(64);
  pair.WarmUp(request);
  counts.Reset();
  pair.Call(request, kCalls);
  const double carrying = ACall(counts.sends + counts.receives);
  const double waiting = ACall(counts.blocked + counts.sleeps + counts.looks + counts.wakeups);
  ReportSystemCalls(name);
  EXPECT_NEAR(carrying, 4, 0.01);
  EXPECT_LE(waiting, 2.2);
  EXPECT_EQ(counts.yields, 0);
}

TEST(CostsTest, ACallOverASocketThatSleepsMakesSixSystemCalls) {
  Pair pair(kUnix, kAsleep);
  ExpectSixSystemCalls(pair, "system_calls_asleep");
}

TEST(CostsTest, ACallOverPipesThatSleepsMakesSixSystemCalls) {
  ExpectSixSystemCalls(*OverPipes(kAsleep), "pipe_system_calls_asleep");
}

// How many polls and yields there are depends on the machine; what carries bytes does not.
TEST(CostsTest, ACallThatPollsMakesFourSystemCallsAndNoOthersButPollsAndYields) {
  Pair pair(kUnix, {});
  const Payload request = PayloadOf(64);
  pair.WarmUp(request);
  counts.Reset();
  pair.Call(request, kCalls);
  const double carrying = ACall(counts.sends + counts.receives);
  ReportSystemCalls("system_calls_busy");
  EXPECT_NEAR(carrying, 4, 0.01);
  EXPECT_LE(ACall(counts.sleeps), 2.5);
  EXPECT_LE(ACall(counts.wakeups), 0.1);
}

class OtherMediaTest : public testing::TestWithParam<const char*> {};

TEST_P(OtherMediaTest, ACallMakesFourSystemCallsThatCarryBytes) {
  std::unique_ptr<Pair> pair;
  if (GetParam() == std::string("pipe")) {
    pair = OverPipes(WaitPolicy());
  } else {
    pair = std::make_unique<Pair>(
        absl::StrCat(GetParam(), GetParam() == std::string("mqueue") ? ":/" : ":/tmp/",
                     "nigh-costs-")
            .c_str(),
        WaitPolicy());
  }
  const Payload request = PayloadOf(64);
  pair->WarmUp(request);
  counts.Reset();
  pair->Call(request, kCalls);
  ReportSystemCalls(absl::StrCat(GetParam(), "_system_calls_busy"));
  EXPECT_NEAR(ACall(counts.sends + counts.receives), 4, 0.01);
}

INSTANTIATE_TEST_SUITE_P(Media, OtherMediaTest, testing::Values("pipe", "fifo", "mqueue", "sysvmq"),
                         [](const auto& test) { return test.param; });

// Each side rings once and sleeps once.
TEST(CostsTest, ACallOverSharedMemoryThatSleepsMakesFourSystemCalls) {
  Pair pair(kShm, kAsleep);
  const Payload request = PayloadOf(64);
  pair.WarmUp(request);
  counts.Reset();
  pair.Call(request, kCalls);
  ReportSystemCalls("shm_system_calls_asleep");
  EXPECT_EQ(counts.sends + counts.receives, 0);
  EXPECT_LE(ACall(counts.blocked + counts.sleeps + counts.looks + counts.wakeups), 4.2);
  EXPECT_EQ(counts.yields, 0);
}

// None at all where both sides have a CPU each; how often one of them sleeps after all depends on
// the machine.
TEST(CostsTest, ACallOverSharedMemoryThatPollsCarriesNothingThroughTheKernel) {
  Pair pair(kShm, {});
  const Payload request = PayloadOf(64);
  pair.WarmUp(request);
  counts.Reset();
  pair.Call(request, kCalls);
  ReportSystemCalls("shm_system_calls_busy");
  EXPECT_EQ(counts.sends + counts.receives, 0);
}

// What is done now and then is done by time, however many calls there are meanwhile: looks at other
// descriptors, and the watchdog's alarm.
TEST(CostsTest, WhatABusyServerDoesNowAndThenGoesByTimeAndNotByCalls) {
  Pair pair(kShm, {});
  const Payload request = PayloadOf(64);
  pair.WarmUp(request);
  counts.Reset();
  const int64_t start = SteadyNanos();
  pair.Call(request, kCalls);
  const auto tenths = static_cast<double>(SteadyNanos() - start) / 100'000;  // of a millisecond
  Report("looks_a_tenth_of_a_millisecond", static_cast<double>(counts.looks) / tenths);
  Report("alarms_set_a_tenth_of_a_millisecond", static_cast<double>(counts.timers) / tenths);
  EXPECT_LE(counts.looks, tenths + 10);
  EXPECT_LE(counts.timers, tenths + 10);
}

}  // namespace
}  // namespace nigh::benchmarks
