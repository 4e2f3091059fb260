#include "nigh/runtime/loop/poller.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/runtime/loop/pollable.h"
#include "nigh/runtime/loop/watchdog.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transport/waiter.h"

namespace nigh {
namespace {

using ::testing::ElementsAre;
using Turn = Pollable::Turn;

// Does in its turns as the test says; its descriptors are the test's to signal.
class Source final : public Pollable {
 public:
  explicit Source(std::function<Turn(InlineMark&)> turn) : turn_(std::move(turn)) {}
  explicit Source(Turn turn) : turn_([turn](InlineMark&) { return turn; }) {}
  Source(uid_t user, std::function<Turn(InlineMark&)> turn) : turn_(std::move(turn)), user_(user) {}

  std::optional<uid_t> user() const override { return user_; }

  Turn TakeTurn(InlineMark& mark) override {
    ++turns;
    eventfd_t ignored;
    (void)::eventfd_read(received_.get(), &ignored);
    return turn_(mark);
  }
  Wake ArmReceive() override {
    if (has_more || came_while_arming.exchange(false)) return Wake::Ready();
    armed = true;
    return {.fd = received_.get(), .events = POLLIN};
  }
  std::optional<Wake> ArmSend() override {
    if (!waits_for_room) return std::nullopt;
    return Wake{.fd = room_.get(), .events = POLLIN};
  }
  bool ResumeSending() override {
    waits_for_room = false;
    ++resumed;
    return holds_back;
  }
  Waiter::PollCost poll_cost() const override { return Waiter::PollCost::kCheap; }

  void Receive() { (void)::eventfd_write(received_.get(), 1); }
  void MakeRoom() { (void)::eventfd_write(room_.get(), 1); }

  std::atomic<int> turns = 0;
  std::atomic<int> resumed = 0;
  std::atomic<bool> waits_for_room = false;
  std::atomic<bool> holds_back = false;
  std::atomic<bool> came_while_arming = false;
  std::atomic<bool> has_more = false;
  std::atomic<bool> armed = false;

 private:
  const std::function<Turn(InlineMark&)> turn_;
  const std::optional<uid_t> user_;
  const UniqueFd received_{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  const UniqueFd room_{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
};

bool IsReadable(int fd) {
  pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&readable, 1, 0) == 1;
}

class PollerTest : public ::testing::Test {
 protected:
  PollerTest() { EXPECT_EQ(poller_.Open(), absl::OkStatus()); }

  std::shared_ptr<Source> Add(std::shared_ptr<Source> source) {
    poller_.Add(source);
    return source;
  }
  void ExpectOthersGetTheirTurn();

  Poller poller_{WaitPolicy()};
};

TEST_F(PollerTest, WhatIsAddedGetsATurnBeforeItHasSaidAnything) {
  const auto source = Add(std::make_shared<Source>(Turn::kQuiet));
  EXPECT_TRUE(IsReadable(poller_.fd()));
  poller_.Poll();
  EXPECT_EQ(source->turns, 1);
}

TEST_F(PollerTest, AQuietSourceCostsNothingUntilItsDescriptorIsReadable) {
  const auto source = Add(std::make_shared<Source>(Turn::kQuiet));
  poller_.Poll();
  EXPECT_FALSE(IsReadable(poller_.fd()));
  poller_.Poll();
  EXPECT_EQ(source->turns, 1);
  source->Receive();
  EXPECT_TRUE(IsReadable(poller_.fd()));
  poller_.Poll();
  EXPECT_EQ(source->turns, 2);
}

TEST_F(PollerTest, ItsDescriptorStaysReadableWhileThereIsMore) {
  Add(std::make_shared<Source>(Turn::kBusy))->has_more = true;
  for (int i = 0; i < 3; ++i) {
    poller_.Poll();
    EXPECT_TRUE(IsReadable(poller_.fd()));
  }
}

TEST_F(PollerTest, ASourceThatHasEndedIsLetGo) {
  auto source = std::make_shared<Source>(Turn::kEnded);
  const std::weak_ptr<Source> watch = source;
  Add(std::move(source));
  EXPECT_EQ(poller_.load(), 1u);
  poller_.Poll();
  EXPECT_TRUE(watch.expired());
  EXPECT_EQ(poller_.load(), 0u);
  EXPECT_FALSE(IsReadable(poller_.fd()));
}

TEST_F(PollerTest, AddingASourceAgainIsALookAtIt) {
  const auto source = Add(std::make_shared<Source>(Turn::kQuiet));
  poller_.Poll();
  Add(source);
  poller_.Poll();
  EXPECT_EQ(poller_.load(), 1u);
  EXPECT_EQ(source->turns, 2);
}

TEST_F(PollerTest, RemoveTellsOnceTheSourceIsGone) {
  auto source = std::make_shared<Source>(Turn::kBusy);
  const std::weak_ptr<Source> watch = source;
  Add(source);
  poller_.Poll();
  bool removed = false;
  poller_.Remove(std::move(source), [&] {
    EXPECT_TRUE(watch.expired());
    removed = true;
  });
  poller_.Poll();
  EXPECT_TRUE(removed);
  poller_.Poll();
  EXPECT_FALSE(IsReadable(poller_.fd()));
}

TEST_F(PollerTest, RoomIsToldOnce) {
  const auto source = Add(std::make_shared<Source>(Turn::kQuiet));
  poller_.Poll();
  source->resumed = 0;
  source->waits_for_room = true;
  poller_.WatchRoom(*source);
  poller_.Poll();
  EXPECT_EQ(source->resumed, 0);
  source->MakeRoom();
  EXPECT_TRUE(IsReadable(poller_.fd()));
  poller_.Poll();
  EXPECT_EQ(source->resumed, 1);
  EXPECT_EQ(source->turns, 1) << "room is nothing to receive";
  EXPECT_FALSE(IsReadable(poller_.fd()));
}

TEST_F(PollerTest, WhatIsHeldBackGetsTurns) {
  const auto source = Add(std::make_shared<Source>(Turn::kQuiet));
  poller_.Poll();
  source->holds_back = source->waits_for_room = true;
  poller_.WatchRoom(*source);
  poller_.Poll();
  EXPECT_EQ(source->turns, 1);
  source->MakeRoom();
  poller_.Poll();
  poller_.Poll();
  EXPECT_GT(source->turns, 1) << "nothing else will tell it to go on";
}

TEST_F(PollerTest, ASourceThatComesToWaitForRoomInItsTurnsIsToldOfIt) {
  const auto source = Add(std::make_shared<Source>(Turn::kQuiet));
  source->waits_for_room = true;
  poller_.Poll();
  source->resumed = 0;
  source->MakeRoom();
  poller_.Poll();
  EXPECT_EQ(source->resumed, 1);
}

TEST_F(PollerTest, WhoeverNoLongerWaitsForRoomIsToldAtOnce) {
  const auto source = Add(std::make_shared<Source>(Turn::kQuiet));
  poller_.Poll();
  source->resumed = 0;
  // Another thread's send has taken along what waited.
  poller_.WatchRoom(*source);
  poller_.Poll();
  EXPECT_EQ(source->resumed, 1);
}

TEST_F(PollerTest, WhatWaitedForRoomBeforeItWasAddedIsNotForgotten) {
  const auto source = std::make_shared<Source>(Turn::kQuiet);
  source->waits_for_room = true;
  source->MakeRoom();
  Add(source);
  poller_.Poll();
  poller_.Poll();
  EXPECT_EQ(source->resumed, 1);
}

TEST_F(PollerTest, TasksRunInOrderAndMayPostAndPoll) {
  std::vector<int> order;
  poller_.Post(nullptr, [&] {
    order.push_back(1);
    poller_.Poll();  // from within: nothing
    poller_.Post(nullptr, [&] { order.push_back(3); });
  });
  poller_.Post(nullptr, [&] { order.push_back(2); });
  poller_.Poll();
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
}

TEST_F(PollerTest, DriveEndsWithStop) {
  poller_.Post(nullptr, [&] { poller_.Stop(); });
  EXPECT_TRUE(poller_.Drive());
}

TEST_F(PollerTest, WhatCameWhileItWasArmedIsNotSleptThrough) {
  std::promise<void> seen;
  const auto source = std::make_shared<Source>([&, turns = 0](InlineMark&) mutable {
    if (++turns == 2) seen.set_value();
    return Turn::kQuiet;
  });
  source->came_while_arming = true;
  Add(source);
  std::thread driver([&] { EXPECT_TRUE(poller_.Drive()); });
  seen.get_future().wait();
  poller_.Stop();
  driver.join();
}

// It would have cooled after 64 passes in vain, and turns of others make no passes longer.
TEST_F(PollerTest, WhatIsAboutToComeIsLookedOutForLonger) {
  const auto turns_before_it_cools = [](Turn first) {
    Poller poller({.spins = 100'000, .yields = 0});
    std::atomic<int> turns = 0;
    const auto source = std::make_shared<Source>(
        [&](InlineMark&) { return ++turns == 1 ? first : Turn::kNothing; });
    poller.Add(source);
    std::thread driver([&] { EXPECT_TRUE(poller.Drive()); });
    while (!source->armed) std::this_thread::yield();
    const int taken = turns;
    poller.Stop();
    driver.join();
    return taken;
  };
  EXPECT_EQ(turns_before_it_cools(Turn::kDrained), 1 + 65);
  EXPECT_EQ(turns_before_it_cools(Turn::kSoon), 1 + 257);
}

// Whether another source, which is quiet until something comes, gets its turn then.
void PollerTest::ExpectOthersGetTheirTurn() {
  std::promise<void> added;
  std::promise<void> seen;
  const auto other = Add(std::make_shared<Source>([&, turns = 0](InlineMark&) mutable {
    ++turns;
    if (turns == 1) added.set_value();
    if (turns == 2) seen.set_value();
    return Turn::kQuiet;
  }));
  std::thread driver([&] { EXPECT_TRUE(poller_.Drive()); });
  added.get_future().wait();
  other->Receive();
  seen.get_future().wait();
  poller_.Stop();
  driver.join();
}

TEST_F(PollerTest, OthersGetTheirTurnBesideABusySource) {
  Add(std::make_shared<Source>(Turn::kBusy))->has_more = true;
  ExpectOthersGetTheirTurn();
}

TEST_F(PollerTest, OthersGetTheirTurnBesideASourceThatAlwaysSaysThatSomethingCame) {
  Add(std::make_shared<Source>(Turn::kNothing))->has_more = true;
  ExpectOthersGetTheirTurn();
}

// A poller whose clock is advanced by the turns of its sources, each of which leaves a letter.
class SharedPoller : public ::testing::Test {
 protected:
  SharedPoller() { now = 1'000'000'000; }

  // Has work in each of its turns, which take so long.
  std::shared_ptr<Source> AddBusy(uid_t user, char letter, int64_t nanos) {
    auto source = std::make_shared<Source>(user, [this, letter, nanos](InlineMark&) {
      turns_ += letter;
      now += nanos;
      return Turn::kBusy;
    });
    source->has_more = true;
    poller_.Add(source);
    return source;
  }
  // At least so many turns.
  void Poll(size_t turns) {
    while (turns_.size() < turns) poller_.Poll();
  }
  int Count(char letter) const { return static_cast<int>(absl::c_count(turns_, letter)); }

  std::string turns_;
  Poller poller_{WaitPolicy(), [] { return now.load(); }};

 private:
  static inline std::atomic<int64_t> now;
};

TEST_F(SharedPoller, WhoFloodsRestsMostOfTheTimeAndInOnePiece) {
  AddBusy(1, 'f', 100'000);
  AddBusy(2, 'c', 1'000);
  Poll(10'000);
  // A share of 250 turns of the one is worth 2.5 of the other.
  EXPECT_LE(Count('f'), 120);
  EXPECT_GE(Count('f'), 90);
  EXPECT_THAT(turns_, ::testing::HasSubstr(std::string(200, 'c')));
  EXPECT_THAT(turns_, ::testing::Not(::testing::HasSubstr("ff")));
}

TEST_F(SharedPoller, ManySourcesOfOneUserGetNoMoreThanOne) {
  for (int i = 0; i < 50; ++i) AddBusy(1, 'f', 100'000);
  AddBusy(2, 'c', 1'000);
  Poll(50'000);
  EXPECT_LE(Count('f'), 50'000 / 80);
}

TEST_F(SharedPoller, WhoHasMuchToDoWaitsForNobodyWhoHasNothing) {
  AddBusy(1, 'f', 100'000);
  const auto quiet = std::make_shared<Source>(2, [](InlineMark&) { return Turn::kQuiet; });
  poller_.Add(quiet);
  for (int i = 0; i < 100; ++i) poller_.Poll();
  EXPECT_EQ(quiet->turns, 1);
  EXPECT_GE(Count('f'), 100 * 64 - 1);
}

TEST_F(SharedPoller, WhoRestsGoesOnWithoutHavingToBeWoken) {
  const auto once = std::make_shared<Source>(
      2, [turns = 0](InlineMark&) mutable { return ++turns == 1 ? Turn::kDrained : Turn::kQuiet; });
  poller_.Add(once);
  AddBusy(1, 'f', 100'000);
  poller_.Add(std::make_shared<Source>(1, [this](InlineMark&) {
    if (Count('f') > 1000) poller_.Stop();
    return Turn::kBusy;
  }));
  EXPECT_TRUE(poller_.Drive());
}

TEST_F(SharedPoller, WhatRestsCanBeRemovedAndGoesWithThePoller) {
  auto flood = AddBusy(1, 'f', 10'000'000);
  AddBusy(1, 'f', 10'000'000);
  AddBusy(2, 'c', 1'000);
  const std::weak_ptr<Source> watch = flood;
  Poll(100);
  bool removed = false;
  poller_.Remove(std::move(flood), [&] { removed = watch.expired(); });
  poller_.Poll();
  EXPECT_TRUE(removed);
}

TEST_F(PollerTest, ATurnThatLostTheRoleLeavesEverythingToItsSuccessor) {
  bool lost = false;
  const auto source = Add(std::make_shared<Source>([&](InlineMark& mark) {
    const uint64_t inside = mark.Enter();
    // The watchdog takes it meanwhile.
    lost = !std::exchange(lost, true) && mark.Take(inside);
    if (!mark.Leave(inside)) return Turn::kRoleLost;
    poller_.Stop();
    return Turn::kQuiet;
  }));
  EXPECT_FALSE(poller_.Drive());
  EXPECT_TRUE(poller_.Drive());
  EXPECT_EQ(source->turns, 2);
}

TEST_F(PollerTest, ATaskThatLostTheRoleLeavesTheNextToItsSuccessor) {
  std::vector<int> order;
  poller_.Post(nullptr, [&] {
    order.push_back(1);
    EXPECT_TRUE(poller_.mark().Take(poller_.mark().value()));
  });
  poller_.Post(nullptr, [&] {
    order.push_back(2);
    poller_.Stop();
  });
  EXPECT_FALSE(poller_.Drive());
  EXPECT_THAT(order, ElementsAre(1));
  EXPECT_TRUE(poller_.Drive());
  EXPECT_THAT(order, ElementsAre(1, 2));
}

TEST_F(PollerTest, WhatItStillHoldsGoesWithIt) {
  std::weak_ptr<Source> watch;
  {
    Poller poller{WaitPolicy()};
    auto source = std::make_shared<Source>(Turn::kQuiet);
    watch = source;
    poller.Add(std::move(source));
    poller.Poll();
  }
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace nigh
