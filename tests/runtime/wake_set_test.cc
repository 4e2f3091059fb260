#include "nigh/runtime/client/wake_set.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "gtest/gtest.h"
#include "nigh/deadline.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {
namespace {

UniqueFd Bell() { return UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }
void Ring(const UniqueFd& bell) { ASSERT_EQ(::eventfd_write(bell.get(), 1), 0); }

// A connection of which the test has the other ends: with a bell as shared memory has it, and with
// a descriptor that stays ready as a socket's does.
class WakeSetTest : public ::testing::TestWithParam<bool> {
 protected:
  WakeSetTest() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    end_ = UniqueFd(ends[0]);
    peer_ = UniqueFd(ends[1]);
    EXPECT_TRUE(set_.Open(GetParam()));
  }

  Wake Frames() const {
    return {.fd = bell_.get(),
            .events = POLLIN,
            .edge_triggered = GetParam(),
            .end_fd = end_.get(),
            .end_events = POLLIN};
  }
  // Whether the sleep is ended by something else than its deadline.
  bool Wakes(const std::optional<Wake>& room = std::nullopt) {
    const Deadline deadline = Deadline::AtNanos(SteadyNanos() + 60'000'000'000);
    set_.Sleep(Frames(), room, deadline);
    return !deadline.HasPassed();
  }
  bool SleepsOn(const std::optional<Wake>& room = std::nullopt) {
    const Deadline deadline = Deadline::AtNanos(SteadyNanos() + 1'000'000);
    set_.Sleep(Frames(), room, deadline);
    return deadline.HasPassed();
  }

  const UniqueFd bell_ = Bell();
  const UniqueFd room_ = Bell();
  UniqueFd end_;
  UniqueFd peer_;
  WakeSet set_;
};
INSTANTIATE_TEST_SUITE_P(Medium, WakeSetTest, ::testing::Bool(), [](const auto& test) {
  return test.param ? "EdgeTriggered" : "LevelTriggered";
});

TEST_P(WakeSetTest, TheBellEndsASleepThatHasBegunOrIsAboutTo) {
  EXPECT_TRUE(SleepsOn());
  Ring(bell_);
  EXPECT_TRUE(Wakes());
  std::thread peer([&] { Ring(bell_); });
  EXPECT_TRUE(Wakes());
  peer.join();
}

// A bell's ring ends one sleep. A socket is ready until its frames have been received.
TEST_P(WakeSetTest, NobodyTakesARingOut) {
  const bool is_bell = GetParam();
  for (int ring = 0; ring < 3; ++ring) {
    Ring(bell_);
    EXPECT_TRUE(Wakes());
    EXPECT_TRUE(is_bell ? SleepsOn() : Wakes());
  }
}

TEST_P(WakeSetTest, AnInterruptEndsOneSleep) {
  for (int interrupt = 0; interrupt < 3; ++interrupt) {
    set_.Interrupt();
    EXPECT_TRUE(Wakes());
    EXPECT_TRUE(SleepsOn());
  }
  std::thread other([&] { set_.Interrupt(); });
  EXPECT_TRUE(Wakes());
  other.join();
}

TEST_P(WakeSetTest, TheEndEndsEverySleep) {
  EXPECT_TRUE(SleepsOn());
  peer_.reset();
  EXPECT_TRUE(Wakes());
  EXPECT_TRUE(Wakes());
}

TEST_P(WakeSetTest, RoomEndsOneSleepOfWhoeverWaitsForIt) {
  const Wake room = {.fd = room_.get(), .events = POLLIN, .edge_triggered = true};
  EXPECT_TRUE(SleepsOn(room));
  Ring(room_);
  EXPECT_TRUE(SleepsOn()) << "nothing waits";
  EXPECT_TRUE(Wakes(room));
  EXPECT_TRUE(SleepsOn(room));
  set_.Interrupt();
  EXPECT_TRUE(Wakes(room));
  EXPECT_TRUE(SleepsOn(room));
  EXPECT_TRUE(SleepsOn());
}

}  // namespace
}  // namespace nigh
