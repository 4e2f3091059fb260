#include "nigh/runtime/loop/watchdog.h"

#include <atomic>
#include <cstdint>
#include <thread>

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
  // It goes dormant about 50 ms after the last handler. The rounds wait for times around that, so
  // that handlers meet it on either side of the step and on the step itself.
  InlineMark mark;
  Count taken;
  Watchdog watchdog;
  watchdog.Watch(mark, [&] { taken.Add(); });
  watchdog.Start();
  Mutex mutex;
  CondVar never;
  for (int round = 1; round <= 12; ++round) {
    const Deadline deadline = Deadline::After(absl::Milliseconds(44 + round * 2));
    {
      MutexLock lock(mutex);
      while (!deadline.HasPassed()) never.WaitUntil(mutex, deadline);
    }
    const uint64_t entered = mark.Enter();
    watchdog.Stir();
    taken.WaitFor(round);
    EXPECT_FALSE(mark.Leave(entered));
  }
}

TEST(Watchdog, StopMayComeTwiceOrAlone) {
  Watchdog never_started;
  never_started.Stop();
  Watchdog watchdog;
  watchdog.Start();
  watchdog.Stop();
  watchdog.Stop();
}

}  // namespace
}  // namespace nigh
