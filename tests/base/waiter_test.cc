#include "nigh/transport/waiter.h"

#include <sched.h>

#include <atomic>
#include <thread>

#include "gtest/gtest.h"
#include "nigh/deadline.h"

namespace nigh {
namespace {

// Keeps this thread, and those that it starts, on the CPU where it is. Returns where it might run.
cpu_set_t PinToOneCpu() {
  cpu_set_t before, one;
  EXPECT_EQ(::sched_getaffinity(0, sizeof(before), &before), 0);
  CPU_ZERO(&one);
  CPU_SET(::sched_getcpu(), &one);
  EXPECT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);
  return before;
}

// How often a wait that never finds anything polls again before it goes to sleep.
int PollsBeforeSleep(Waiter& waiter, Waiter::PollCost cost) {
  int polls = 0;
  while (waiter.PollAgain(cost)) ++polls;
  return polls;
}

TEST(Waiter, SleepsAfterItsSpinsAndYieldsAtTheLatest) {
  const WaitPolicy policy = {.spins = 10, .yields = 5};
  Waiter waiter(policy);
  const int polls = PollsBeforeSleep(waiter, Waiter::PollCost::kCheap);
  EXPECT_GE(polls, 10);
  EXPECT_LE(polls, 10 + 4 * 5);
}

TEST(Waiter, LearnsThatSpinsFindNothingAndStillTriesNowAndThen) {
  Waiter waiter({.spins = 10, .yields = 0});
  const auto polls = [&] {
    const int found_nothing = PollsBeforeSleep(waiter, Waiter::PollCost::kCheap);
    waiter.Found();
    return found_nothing;
  };
  for (int wait = 0; wait < 16; ++wait) EXPECT_EQ(polls(), 10);
  int spun = 0;
  for (int wait = 0; wait < 32; ++wait) spun += polls() > 0 ? 1 : 0;
  EXPECT_EQ(spun, 2);
  // One that pays, and all do again.
  while (!waiter.PollAgain(Waiter::PollCost::kCheap)) waiter.Found();
  waiter.Found();
  EXPECT_EQ(polls(), 10);
}

TEST(Waiter, NeverSpinsOverSystemCalls) {
  Waiter waiter({.spins = 1000, .yields = 5});
  EXPECT_LE(PollsBeforeSleep(waiter, Waiter::PollCost::kSystemCall), 5);
}

TEST(Waiter, SleepsAtOnceWithoutSpinsAndYields) {
  Waiter waiter({.spins = 0, .yields = 0});
  EXPECT_FALSE(waiter.PollAgain(Waiter::PollCost::kCheap));
}

TEST(Waiter, AWaitThatSleptDoesNotYieldAgain) {
  Waiter waiter({.spins = 0, .yields = 1000});
  waiter.Slept();
  EXPECT_FALSE(waiter.PollAgain(Waiter::PollCost::kSystemCall));
}

TEST(Waiter, LooksOutForWhatIsExpectedWhateverWaitsWereLike) {
  Waiter waiter({.spins = 0, .yields = 10});
  const auto long_wait = [&](bool expects) {
    (void)PollsBeforeSleep(waiter, Waiter::PollCost::kSystemCall);
    waiter.Slept();
    for (const int64_t end = SteadyNanos() + 200'000; SteadyNanos() < end;) {
    }
    if (expects) waiter.Expect();
    const bool polled = PollsBeforeSleep(waiter, Waiter::PollCost::kSystemCall) > 0;
    waiter.Slept();
    EXPECT_FALSE(waiter.PollAgain(Waiter::PollCost::kSystemCall)) << "once";
    // What has been expected is late.
    for (const int64_t end = SteadyNanos() + 200'000; SteadyNanos() < end;) {
    }
    waiter.Found();
    return polled;
  };
  for (int wait = 0; wait < 20; ++wait) EXPECT_FALSE(long_wait(false)) << "it has slept";
  // One in 16 would look out in any case. Fewer do where others keep the CPU, while they do.
  const int64_t patience = SteadyNanos() + 20'000'000'000;
  int looked = 0;
  while (looked < 4 && SteadyNanos() < patience) {
    looked = 0;
    for (int wait = 0; wait < 16; ++wait) looked += long_wait(true) ? 1 : 0;
  }
  EXPECT_GE(looked, 4);
}

TEST(Waiter, AFindBeginsTheNextWaitAnew) {
  Waiter waiter({.spins = 10, .yields = 0});
  EXPECT_EQ(PollsBeforeSleep(waiter, Waiter::PollCost::kCheap), 10);
  waiter.Found();
  EXPECT_EQ(PollsBeforeSleep(waiter, Waiter::PollCost::kCheap), 10);
}

TEST(Waiter, LearnsThatWaitsAreLongAndStillLooksAgainNowAndThen) {
  Waiter waiter({.spins = 0, .yields = 10});
  for (int wait = 0; wait < 20; ++wait) {
    PollsBeforeSleep(waiter, Waiter::PollCost::kSystemCall);
    waiter.Slept();
    // Longer than any wake-up takes.
    for (const int64_t end = SteadyNanos() + 500'000; SteadyNanos() < end;) {
    }
    waiter.Found();
  }
  int looked = 0;
  for (int wait = 0; wait < 16; ++wait) {
    looked += PollsBeforeSleep(waiter, Waiter::PollCost::kSystemCall) > 0;
    waiter.Slept();
    for (const int64_t end = SteadyNanos() + 500'000; SteadyNanos() < end;) {
    }
    waiter.Found();
  }
  EXPECT_EQ(looked, 1);
}

TEST(Waiter, LearnsThatYieldsCostSlicesAndStillTriesNowAndThen) {
  const cpu_set_t before = PinToOneCpu();
  std::atomic<bool> over = false;
  // Inherits the CPU, and keeps it whenever it gets it.
  std::thread hog([&] {
    while (!over) {
    }
  });
  Waiter waiter({.spins = 0, .yields = 10});
  const auto yields = [&] {
    const bool polled = PollsBeforeSleep(waiter, Waiter::PollCost::kSystemCall) > 0;
    waiter.Slept();
    waiter.Found();
    return polled;
  };
  // Three slices that are lost, unless the hog runs elsewhere for the moment.
  while (yields()) {
  }
  int yielded = 0;
  for (int wait = 0; wait < 512; ++wait) yielded += yields() ? 1 : 0;
  EXPECT_GE(yielded, 1);
  EXPECT_LE(yielded, 64);
  over = true;
  hog.join();
  // A few that are short, and all do again. Others may want the CPU for the moment.
  int in_a_row = 0;
  for (int wait = 0; wait < 1'000'000 && in_a_row < 16; ++wait) {
    in_a_row = yields() ? in_a_row + 1 : 0;
  }
  EXPECT_EQ(in_a_row, 16);
  ::sched_setaffinity(0, sizeof(before), &before);
}

}  // namespace
}  // namespace nigh
