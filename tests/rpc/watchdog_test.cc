#include "nigh/watchdog.h"

#include <atomic>
#include <cstdint>
#include <future>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/base/deadline.h"
#include "nigh/base/mutex.h"

namespace nigh {
namespace {

using ::testing::ElementsAre;

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

TEST(Watchdog, TakesTheRoleFromAHandlerThatOverstays) {
  InlineMark mark;
  Count taken;
  Watchdog watchdog;
  watchdog.Watch(mark, [&] { taken.Add(); });
  watchdog.Start();
  for (int round = 1; round <= 5; ++round) {
    const uint64_t entered = mark.Enter();
    watchdog.Stir();
    taken.WaitFor(round);
    EXPECT_FALSE(mark.Leave(entered));
  }
  watchdog.Stop();
  EXPECT_EQ(taken.value(), 5);
}

TEST(Watchdog, TakesTheRoleOnceFromOneHandler) {
  InlineMark stuck;
  InlineMark other;
  Count stuck_taken;
  Count other_taken;
  Watchdog watchdog;
  watchdog.Watch(stuck, [&] { stuck_taken.Add(); });
  watchdog.Watch(other, [&] { other_taken.Add(); });
  watchdog.Start();
  const uint64_t entered = stuck.Enter();
  watchdog.Stir();
  // While the other's handlers overstay again and again, the first has nothing more to lose.
  for (int round = 1; round <= 5; ++round) {
    const uint64_t inside = other.Enter();
    watchdog.Stir();
    other_taken.WaitFor(round);
    EXPECT_FALSE(other.Leave(inside));
  }
  watchdog.Stop();
  EXPECT_EQ(stuck_taken.value(), 1);
  EXPECT_FALSE(stuck.Leave(entered));
}

TEST(Watchdog, NoticesAHandlerThatComesAsItGoesDormant) {
  // It goes dormant about 50 ms after the last handler. The rounds wait for times around that, told
  // by the watchdog's own timer or by another clock, so that handlers meet it on either side of the
  // step and on the step itself.
  InlineMark mark;
  Count taken;
  Watchdog watchdog;
  watchdog.Watch(mark, [&] { taken.Add(); });
  watchdog.Start();
  Mutex mutex;
  CondVar never;
  for (int round = 1; round <= 12; ++round) {
    const Deadline deadline = Deadline::After(absl::Milliseconds(44 + round * 2));
    if (round % 2 == 0) {
      std::promise<void> fired;
      const uint64_t timer = watchdog.AddTimer(deadline, [&] { fired.set_value(); });
      fired.get_future().wait();
      watchdog.RemoveTimer(timer);
    } else {
      MutexLock lock(mutex);
      while (!deadline.HasPassed()) never.WaitUntil(mutex, deadline);
    }
    const uint64_t entered = mark.Enter();
    watchdog.Stir();
    taken.WaitFor(round);
    EXPECT_FALSE(mark.Leave(entered));
  }
}

TEST(Watchdog, RunsTimersInTheOrderOfTheirDeadlines) {
  Watchdog watchdog;
  std::vector<int> order;
  Count ran;
  const auto record = [&](int which) {
    return [&, which] {
      order.push_back(which);
      ran.Add();
    };
  };
  const Deadline base = Deadline::After(absl::Milliseconds(5));
  const auto at = [&](int64_t nanos) { return Deadline::AtNanos(base.nanos() + nanos); };
  watchdog.AddTimer(at(3), record(3));
  watchdog.AddTimer(at(1), record(1));
  watchdog.AddTimer(at(2), record(2));
  watchdog.AddTimer(at(2), record(4));  // of two at once, the one that was added first
  watchdog.AddTimer(Deadline::AtNanos(0), record(0));
  watchdog.AddTimer(Deadline::Infinite(), record(99));
  watchdog.Start();
  ran.WaitFor(5);
  watchdog.Stop();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 4, 3));
}

TEST(Watchdog, TimerNeverRunsBeforeItsDeadline) {
  Watchdog watchdog;
  watchdog.Start();
  for (int i = 0; i < 10; ++i) {
    const Deadline deadline = Deadline::After(absl::Microseconds(300 * i));
    std::promise<bool> fired;
    watchdog.AddTimer(deadline, [&] { fired.set_value(deadline.HasPassed()); });
    EXPECT_TRUE(fired.get_future().get());
  }
}

TEST(Watchdog, EarlierTimerAddedLaterIsNotKeptWaiting) {
  Watchdog watchdog;
  watchdog.Start();
  const uint64_t hour = watchdog.AddTimer(Deadline::After(absl::Hours(1)), [] { FAIL(); });
  std::promise<void> fired;
  watchdog.AddTimer(Deadline::After(absl::Milliseconds(1)), [&] { fired.set_value(); });
  fired.get_future().wait();
  watchdog.RemoveTimer(hour);
}

TEST(Watchdog, RemovedTimerNeverRuns) {
  Watchdog watchdog;
  bool ran = false;
  const uint64_t id = watchdog.AddTimer(Deadline::AtNanos(0), [&] { ran = true; });
  watchdog.RemoveTimer(id);
  watchdog.RemoveTimer(id);
  watchdog.RemoveTimer(0);
  std::promise<void> fired;
  watchdog.AddTimer(Deadline::AtNanos(0), [&] { fired.set_value(); });
  watchdog.Start();
  fired.get_future().wait();
  watchdog.Stop();
  EXPECT_FALSE(ran);
}

TEST(Watchdog, RemoveTimerWaitsForACallbackThatRuns) {
  Watchdog watchdog;
  watchdog.Start();
  std::promise<void> running;
  std::promise<void> go_on;
  std::atomic<bool> finished = false;
  const uint64_t id = watchdog.AddTimer(Deadline::AtNanos(0), [&] {
    running.set_value();
    go_on.get_future().wait();
    finished = true;
  });
  running.get_future().wait();
  std::thread removing([&] {
    watchdog.RemoveTimer(id);
    EXPECT_TRUE(finished);
  });
  go_on.set_value();
  removing.join();
}

TEST(Watchdog, CallbackMayAddATimer) {
  Watchdog watchdog;
  watchdog.Start();
  std::promise<void> second;
  watchdog.AddTimer(Deadline::AtNanos(0),
                    [&] { watchdog.AddTimer(Deadline::AtNanos(0), [&] { second.set_value(); }); });
  second.get_future().wait();
}

TEST(Watchdog, StopDoesNotWaitForTimersAndMayComeTwiceOrAlone) {
  Watchdog never_started;
  never_started.Stop();
  Watchdog watchdog;
  watchdog.Start();
  watchdog.AddTimer(Deadline::After(absl::Hours(1)), [] { FAIL(); });
  watchdog.Stop();
  watchdog.Stop();
}

}  // namespace
}  // namespace nigh
