#include "nigh/runtime/loop/watchdog.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"

namespace nigh {
namespace {

// Counts, for others to wait on.
class Count {
 public:
  void Add() {
    MutexLock lock(mutex_);
    ++value_;
    changed_.SignalAll();
  }
  void WaitFor(int value) {
    MutexLock lock(mutex_);
    while (value_ < value) changed_.Wait(mutex_);
  }
  int value() {
    MutexLock lock(mutex_);
    return value_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int value_ ABSL_GUARDED_BY(mutex_) = 0;
};

TEST(InlineMark, BelongsToWhomeverMakesItEvenFirst) {
  InlineMark mark;
  const uint64_t kept = mark.Enter();
  EXPECT_EQ(kept % 2, 1u);
  EXPECT_EQ(mark.value(), kept);
  EXPECT_TRUE(mark.Leave(kept));
  EXPECT_FALSE(mark.Take(kept)) << "taken from one that had left";

  const uint64_t lost = mark.Enter();
  EXPECT_NE(lost, kept);
  EXPECT_FALSE(mark.Take(kept)) << "taken for a handler of before";
  EXPECT_TRUE(mark.Take(lost));
  EXPECT_FALSE(mark.Take(lost)) << "taken twice";
  EXPECT_FALSE(mark.Leave(lost));

  // The successor's handlers are their own.
  const uint64_t next = mark.Enter();
  EXPECT_FALSE(mark.Leave(lost)) << "an old handler left for a new one";
  EXPECT_TRUE(mark.Leave(next));
}

TEST(InlineMark, HasOneWinnerWhenBothTry) {
  InlineMark mark;
  for (int round = 0; round < 300; ++round) {
    const uint64_t inside = mark.Enter();
    std::atomic<int> winners = 0;
    std::thread watchdog([&] { winners += mark.Take(inside) ? 1 : 0; });
    winners += mark.Leave(inside) ? 1 : 0;
    watchdog.join();
    EXPECT_EQ(winners, 1);
  }
}

class OverstayTest : public ::testing::TestWithParam<InlineMark::Usual> {};

TEST_P(OverstayTest, CostsAHandlerTheRole) {
  InlineMark mark;
  Count taken;
  Watchdog watchdog;
  watchdog.Watch(mark, [&] { taken.Add(); });
  ASSERT_EQ(watchdog.Start(), absl::OkStatus());
  for (int round = 1; round <= 5; ++round) {
    const uint64_t entered = mark.Enter(GetParam());
    taken.WaitFor(round);
    EXPECT_FALSE(mark.Leave(entered));
  }
  watchdog.Stop();
  EXPECT_EQ(taken.value(), 5);
}

INSTANTIATE_TEST_SUITE_P(Watchdog, OverstayTest,
                         ::testing::Values(InlineMark::Usual::kUnknown, InlineMark::Usual::kQuick));

TEST(Watchdog, TakesTheRoleOnceFromOneHandler) {
  InlineMark stuck;
  InlineMark other;
  Count stuck_taken;
  Count other_taken;
  Watchdog watchdog;
  watchdog.Watch(stuck, [&] { stuck_taken.Add(); });
  watchdog.Watch(other, [&] { other_taken.Add(); });
  ASSERT_EQ(watchdog.Start(), absl::OkStatus());
  const uint64_t entered = stuck.Enter();
  // While the other's handlers overstay again and again, the first has nothing more to lose.
  for (int round = 1; round <= 5; ++round) {
    const uint64_t inside = other.Enter();
    other_taken.WaitFor(round);
    EXPECT_FALSE(other.Leave(inside));
  }
  watchdog.Stop();
  EXPECT_EQ(stuck_taken.value(), 1);
  EXPECT_FALSE(stuck.Leave(entered));
}

// What a poller does just before its next handler, at a moment when the watchdog may be looking.
void Nothing(InlineMark&) {}
void PutsItOff(InlineMark& mark) { mark.PutOff(SteadyNanos() + 1'000'000'000); }
// A quick one, whose alarm is late, runs before one of which nothing is known.
void RunsAQuickOne(InlineMark& mark) { (void)mark.Leave(mark.Enter(InlineMark::Usual::kQuick)); }

class AlarmTest : public ::testing::TestWithParam<void (*)(InlineMark&)> {};

TEST_P(AlarmTest, NoHandlerIsWithoutOneWhateverTheWatchdogDoesMeanwhile) {
  // The alarm goes off 1.5 ms after a handler that has left. The rounds wait for times around that,
  // so that the poller meets the watchdog on either side of its look and amid it.
  InlineMark mark;
  Watchdog watchdog;
  watchdog.Watch(mark, [] {});
  ASSERT_EQ(watchdog.Start(), absl::OkStatus());
  for (int round = 1; round <= 100; ++round) {
    (void)mark.Leave(mark.Enter());
    const Deadline deadline = Deadline::After(absl::Microseconds(1400 + round * 2));
    while (!deadline.HasPassed()) {
    }
    GetParam()(mark);
    const uint64_t entered = mark.Enter();
    // A handler that stays until the role has been taken.
    while (mark.value() == entered) std::this_thread::yield();
    EXPECT_FALSE(mark.Leave(entered));
  }
}

INSTANTIATE_TEST_SUITE_P(Watchdog, AlarmTest,
                         ::testing::Values(&Nothing, &PutsItOff, &RunsAQuickOne));

TEST(Watchdog, SleepsBesideAPollerThatPutsItsAlarmOff) {
  InlineMark mark;
  Watchdog watchdog;
  watchdog.Watch(mark, [] {});
  ASSERT_EQ(watchdog.Start(), absl::OkStatus());
  const int64_t start = SteadyNanos();
  int64_t last = start;
  int late = 0;  // other programs kept this thread from running
  while (last - start < 50'000'000) {
    (void)mark.Leave(mark.Enter());
    const int64_t now = SteadyNanos();
    late += now - last > 200'000 ? 1 : 0;
    mark.PutOff(last = now);
  }
  watchdog.Stop();
  // A thread that is kept from running amid a handler is looked at twice.
  EXPECT_LE(watchdog.alarms(), 2 * late);
}

TEST(InlineMark, HasASoonAlarmWhileItsPollerIsBusy) {
  InlineMark mark;
  Watchdog watchdog;
  watchdog.Watch(mark, [] {});
  // Not started: nobody hears the alarms, so only the poller says which one is set.
  int64_t now = SteadyNanos();
  const auto serve = [&](int64_t every_nanos, int handlers) {
    for (int i = 0; i < handlers; ++i) {
      (void)mark.Leave(mark.Enter(InlineMark::Usual::kQuick));
      mark.PutOff(now += every_nanos);
    }
  };
  serve(/*every_nanos=*/1'000'000, 10);
  EXPECT_FALSE(mark.alarm_is_soon()) << "of a handler each millisecond";
  serve(/*every_nanos=*/10'000, 1000);
  EXPECT_TRUE(mark.alarm_is_soon()) << "of a handler each 10 us";
  serve(/*every_nanos=*/1'000'000, 10);
  EXPECT_FALSE(mark.alarm_is_soon()) << "of a handler each millisecond again";
}

TEST(Watchdog, NoticesAHandlerWhereAllCpusAreBusy) {
  std::atomic<bool> over = false;
  std::vector<std::thread> hogs;
  for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) {
    hogs.emplace_back([&] {
      while (!over) {
      }
    });
  }
  InlineMark mark;
  std::atomic<int> taken = 0;
  Watchdog watchdog;
  watchdog.Watch(mark, [&] { ++taken; });
  ASSERT_EQ(watchdog.Start(), absl::OkStatus());
  std::vector<int64_t> waits[2];  // nanoseconds, of handlers that compute and that sleep
  for (int round = 1; round <= 40; ++round) {
    const bool sleeps = round % 2 == 0;
    const int64_t start = SteadyNanos();
    const uint64_t entered = mark.Enter();
    // Until it is noticed.
    while (taken < round) {
      if (sleeps) ::usleep(50);
    }
    waits[sleeps ? 1 : 0].push_back(SteadyNanos() - start);
    EXPECT_FALSE(mark.Leave(entered));
  }
  over = true;
  for (std::thread& hog : hogs) hog.join();
  // How long depends on who else wants a CPU: told, not tested.
  for (const bool sleeps : {false, true}) {
    std::sort(waits[sleeps].begin(), waits[sleeps].end());
    std::printf("a handler that %s was noticed after %.2f ms, median; %.2f ms at most\n",
                sleeps ? "sleeps" : "computes", waits[sleeps][waits[sleeps].size() / 2] / 1e6,
                waits[sleeps].back() / 1e6);
  }
}

TEST(Watchdog, StopMayComeTwiceOrAlone) {
  Watchdog never_started;
  never_started.Stop();
  Watchdog watchdog;
  ASSERT_EQ(watchdog.Start(), absl::OkStatus());
  watchdog.Stop();
  watchdog.Stop();
}

}  // namespace
}  // namespace nigh
