#include "nigh/runtime/loop/poller.h"

#include <sys/epoll.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "nigh/deadline.h"
#include "nigh/runtime/loop/pollable.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/waiter.h"

// Who holds what when.
//
// The role's state is sources_, tokens_, hot_, resting_, shares_, waiter_, stopping_ and the set
// behind epoll_ (poller_events.cc). It has no lock: only the thread with the role touches it.
// tasks_ has a mutex of its own, and any thread posts.
//
//   thread A, which has the role             other threads              the role's state
//   ---------------------------------------  -------------------------  -------------------------
//   Drive                                                               A's from here on
//    |
//    +> TakePass
//    |   RunTasks    the poller's own tasks  Post: no system call,      A changes sources_, hot_,
//    |     |         (Add, Remove, ...)      for A is awake             epoll_
//    |     |
//    |     +- Enter  a user's task   Leave                              A's; the task may not use
//    |                                                                  it, see below
//    |   PollHot     a turn of each source                              A drops those that ended,
//    |     |         in hot_                                            cools those that are idle,
//    |     |                                                            rests those whose user has
//    |     |                                                            used up its share
//    |     |
//    |     +- Enter  a handler       Leave                              A's, as in a user's task
//    |
//    |   PutOff, PollEvents(0)                                          A moves what is ready
//    |     after a turn or tasks that did something                     from epoll_ to hot_
//    |
//    +- hot_ not empty: spin or yield, as waiter_ says; next pass
//    |
//    +- ArmHot       hot_ to epoll_                                     hot_ is empty
//    |  BeginSleep   tasks_: "asleep"
//    |  epoll_wait   for ever; if some rest, Post: writes wake_fd       A's; nobody uses it
//    |               not for long
//    |  EndSleep     tasks_: "awake"
//    +- next pass
//
// The role leaves its thread only between Enter and Leave, when the mark's number is odd. Whoever
// makes it even has the role:
//
//   thread A                     watchdog                       thread B       the role's state
//   ---------------------------  -----------------------------  -------------  ------------------
//   Enter: odd                                                                 A's
//   handler, or a user's task    alarm: sees an odd number
//      :                         again 0.3 ms later: the same
//      :                         Take: even                                    the watchdog's; it
//      :                         taken(): has the pool start B                 touches nothing
//      :                                                        Drive          B's
//   Leave: fails                                                TakePass ...
//   kRoleLost, up to Drive,
//   which returns false                                                        B's still
//
// Thread A touches no state of the role once Leave has failed, nor its Pollable, which may be gone.
// It leaves tasks_'s list of running tasks under tasks_'s mutex. B sees what A wrote:
// Enter and Take order it before taken(), and the pool's mutex orders that before B.
//
// An event loop has no watchdog. Its threads have the role from the beginning of a Poll to its end,
// and polling_ keeps them apart. Between two Polls nobody has it: tasks_ says "asleep", so a Post
// makes fd() readable.

namespace nigh {
namespace {

// A connection is hot until it has had nothing in this many passes.
constexpr int kCoolAfter = 64;
// The same after its peer has said that something is about to come: about as long as the waiter
// looks out then.
constexpr int kCoolAfterSoon = 256;
// So often does it say so, at most, without that anything comes.
constexpr int kMostAnnouncements = 16;
// So many passes that spin in vain are made for one look at the clock.
constexpr uint32_t kSpinsPerClock = 64;
// So many turns that did something, or handlers.
constexpr uint32_t kTurnsPerClock = 4;
// At most this many tasks run before the connections get their turn.
constexpr int kTasksPerTurn = 64;
// One Poll takes at most this many passes.
constexpr int kPassesPerPoll = 64;

}  // namespace

Poller::Poller(const WaitPolicy& policy, int64_t (*clock)())
    : clock_(clock),
      epoll_(UniqueFd(::epoll_create1(EPOLL_CLOEXEC)).KeptFromChildren()),
      waiter_(policy) {
  // Where several fail, one is named: what fails for want of one descriptor does so for all.
  if (!epoll_ || tasks_.wake_fd() < 0 || tasks_.timer_fd() < 0 ||
      !Control(EPOLL_CTL_ADD, tasks_.wake_fd(), kTasksToken, EPOLLIN) ||
      !Control(EPOLL_CTL_ADD, tasks_.timer_fd(), kTasksToken, EPOLLIN)) {
    error_ = errno;
  }
  // As between two Polls: a task that is posted before the first one must make fd() readable.
  (void)tasks_.BeginSleep();
}

absl::Status Poller::Open() const {
  if (error_ == 0) return absl::OkStatus();
  return ErrnoStatus(absl::StatusCode::kResourceExhausted, error_, "start",
                     "epoll_create, eventfd, timerfd_create, epoll_ctl");
}

void Poller::Add(std::shared_ptr<Pollable> pollable) {
  load_.fetch_add(1, std::memory_order_relaxed);
  Post(this, [this, pollable = std::move(pollable)]() mutable { AddNow(std::move(pollable)); });
}

void Poller::AddNow(std::shared_ptr<Pollable> pollable) {
  const auto [known, added] = tokens_.try_emplace(pollable.get(), next_token_);
  const Token token = known->second;
  if (!added) {
    load_.fetch_sub(1, std::memory_order_relaxed);
    return MakeHot(*sources_[token]);
  }
  ++next_token_;
  Source& source = *(sources_[token] = std::make_unique<Source>());
  source.token = token;
  source.pollable = std::move(pollable);
  source.share = &shares_.Join(source.pollable->user());
  // Hot at first. It is not in the epoll set, and only Cool may put it there, after arming it.
  MakeHot(source);
  // Something that it sent before it was known here may still wait for room.
  WatchSend(source);
}

void Poller::WatchRoom(const Pollable& pollable) {
  Post(this, [this, key = &pollable] {
    // It may have ended meanwhile. The pointer is only compared, never followed.
    const auto token = tokens_.find(key);
    if (token != tokens_.end()) WatchSend(*sources_[token->second]);
  });
}

void Poller::Remove(std::shared_ptr<Pollable> pollable, Task removed) {
  Post(this, [this, pollable = std::move(pollable), removed = std::move(removed)]() mutable {
    const auto token = tokens_.find(pollable.get());
    if (token != tokens_.end()) {
      Source& source = *sources_[token->second];
      std::erase(hot_, &source);
      std::erase(resting_, &source);
      Drop(source);
    }
    // The task's own reference goes before `removed` says that the poller has let go.
    pollable = nullptr;
    removed();
  });
}

void Poller::Stop() {
  Post(this, [this] { stopping_ = true; });
}

void Poller::Drop(Source& source) {
  // Destroyed last: its descriptors must be open when they leave the epoll set.
  const auto dropped = sources_.extract(source.token);
  for (const int fd : {source.receive_fd, source.send_fd, source.end_fd}) {
    if (fd >= 0) Control(EPOLL_CTL_DEL, fd, source.token, 0);
  }
  tokens_.erase(source.pollable.get());
  if (source.hot) MakeCold(source);
  assert(source.share != nullptr);
  TimeShares::Leave(*source.share);
  load_.fetch_sub(1, std::memory_order_relaxed);
}

Poller::Pass Poller::RunTasks() {
  if (!tasks_.any()) return Pass::kNothing;
  bool kept = true;
  for (int i = 0; i < kTasksPerTurn && kept; ++i) {
    const bool ran = tasks_.RunNext([&](Owner owner, Task& task) {
      // The poller's own tasks use the role's state, so the role must not be taken from them. They
      // are short and run no user's code: they need no mark.
      if (owner == this) return task();
      const uint64_t entered = mark_.Enter();
      task();
      birth_.ExitIfInherited();
      kept = mark_.Leave(entered);
    });
    if (!ran) break;
  }
  if (!kept) return Pass::kRoleLost;
  AfterWork();
  return Pass::kBusy;
}

void Poller::MakeHot(Source& source) {
  if (std::exchange(source.hot, true)) return;
  source.idle_passes = 0;
  hot_.push_back(&source);
  shares_.Heat(*source.share);
}

void Poller::MakeCold(Source& source) {
  assert(source.share != nullptr);
  source.hot = false;
  shares_.Cool(*source.share);
}

Waiter::PollCost Poller::PollCostOfHot() const {
  // A plain loop: there is one source, nearly always, and this is asked with every call.
  for (const Source* source : hot_) {
    if (source->pollable->poll_cost() != Waiter::PollCost::kCheap) {
      return Waiter::PollCost::kSystemCall;
    }
  }
  return Waiter::PollCost::kCheap;
}

void Poller::BeginRound() {
  do {
    shares_.NextRound();
    const auto go_on = std::partition(resting_.begin(), resting_.end(),
                                      [](const Source* source) { return source->share->spent(); });
    hot_.insert(hot_.end(), go_on, resting_.end());
    resting_.erase(go_on, resting_.end());
    // Where all rest, nobody has to.
  } while (hot_.empty() && !resting_.empty());
}

Poller::Pass Poller::PollHot() {
  Pass result = Pass::kNothing;
  const bool divides = shares_.divides();
  if (divides) {
    const int64_t now = clock_();
    if (shares_.RoundIsOver(now)) BeginRound();
    shares_.Begin(now);
  }
  for (size_t i = 0; i < hot_.size();) {
    Source& source = *hot_[i];
    TimeShares::Share* const share = divides ? source.share : nullptr;
    if (share != nullptr && share->spent()) {
      resting_.push_back(&source);
      hot_[i] = hot_.back();
      hot_.pop_back();
      continue;
    }
    Pollable& pollable = *source.pollable;
    bool cold = false;
    const bool silent = pollable.Silent();
    Pollable::Turn turn = silent ? Pollable::Turn::kNothing : pollable.TakeTurn(mark_);
    // Whoever announces for ever is not looked out for.
    if (turn == Pollable::Turn::kSoon && ++source.announcements > kMostAnnouncements) {
      turn = Pollable::Turn::kNothing;
    }
    switch (turn) {
      case Pollable::Turn::kRoleLost:
        // Neither `source` nor hot_ may be touched: they are another thread's.
        return Pass::kRoleLost;
      case Pollable::Turn::kBusy:
        source.idle_passes = source.announcements = 0;
        result = Pass::kBusy;
        AfterWork();
        break;
      case Pollable::Turn::kDrained:
        source.idle_passes = source.announcements = 0;
        result = std::max(result, Pass::kDrained);
        AfterWork();
        break;
      case Pollable::Turn::kNothing:
        cold = ++source.idle_passes > kCoolAfter && Cool(source);
        break;
      case Pollable::Turn::kQuiet:
        cold = Cool(source);
        break;
      case Pollable::Turn::kSoon:
        source.idle_passes = kCoolAfter - kCoolAfterSoon;
        result = std::max(result, Pass::kSoon);
        break;
      case Pollable::Turn::kEnded:
        Drop(source);
        result = Pass::kBusy;
        cold = true;
        break;
    }
    if (share != nullptr && !silent) {
      const bool worked = turn == Pollable::Turn::kBusy || turn == Pollable::Turn::kDrained;
      shares_.Charge(*share, clock_(), worked);
    }
    if (cold) {
      // Order does not matter, so the last one fills the gap.
      hot_[i] = hot_.back();
      hot_.pop_back();
    } else {
      ++i;
    }
  }
  return result;
}

bool Poller::Cool(Source& source) {
  if (source.pollable->Pauses()) {
    if (source.send_fd < 0) WatchSend(source);
    // What waited may have left meanwhile; or it is held back, and turns will send it.
    if (source.send_fd < 0 || !source.pollable->Pauses()) return false;
    StopReceiving(source);
    MakeCold(source);
    return true;
  }
  const Wake wake = source.pollable->ArmReceive();
  if (wake.ready()) return false;
  // What its turns were sending may have come to wait for room.
  if (source.send_fd < 0) {
    const std::optional<Wake> room = source.pollable->ArmSend();
    if (room.has_value() && room->ready()) {
      ResumeSend(source);
      return false;
    }
    if (room.has_value()) WatchSend(source, *room);
  }
  // Once only. The descriptors stay in the set while the source is hot, for that takes no system
  // calls; MakeHot ignores what they then tell.
  if (source.receive_fd < 0 && !Watch(source, wake)) LookAgain(source);
  MakeCold(source);
  return true;
}

bool Poller::ArmHot() {
  hot_.erase(
      std::remove_if(hot_.begin(), hot_.end(), [&](Source* source) { return Cool(*source); }),
      hot_.end());
  return hot_.empty();
}

void Poller::Sleep() {
  if (resting_.empty()) {
    (void)PollEvents(std::nullopt);
    return;
  }
  // Those that are readable would end the sleep at once.
  for (Source* source : resting_) {
    StopReceiving(*source);
    StopWatchingEnd(*source);
  }
  const int64_t patience = shares_.Patience(clock_());
  if (patience <= 0 || !PollEvents(patience)) BeginRound();
}

Poller::Pass Poller::TakePass() {
  const Pass tasks = RunTasks();
  if (tasks == Pass::kRoleLost) return tasks;
  const Pass hot = PollHot();
  if (hot == Pass::kRoleLost) return hot;
  return std::max(tasks, hot);
}

void Poller::AfterWork() {
  // The peers have just been answered and are busy themselves. This is the time for system calls
  // that are due now and then. After a pass that found nothing they would delay the next request.
  // Reading the clock costs as much as a good part of a call. Some turns pass between two readings,
  // and no more handlers than that: those that are not quick run elsewhere.
  const uint64_t mark = mark_.value();
  if (++turns_ % kTurnsPerClock != 0 && mark - read_at_ < 2 * kTurnsPerClock) return;
  read_at_ = mark;
  const int64_t now = SteadyNanos();
  mark_.PutOff(now);
  PollEventsIfDue(now);
}

bool Poller::Drive() {
  // The constructor has left tasks_ asleep.
  tasks_.EndSleep();
  while (!stopping_) {
    const Pass pass = TakePass();
    switch (pass) {
      case Pass::kRoleLost:
        return false;
      case Pass::kBusy:
        waiter_.Found();
        break;
      case Pass::kDrained:
      case Pass::kSoon:
      case Pass::kNothing:
        // The sources have just been found empty: the wait begins without another pass.
        if (pass == Pass::kDrained) waiter_.Found();
        if (pass == Pass::kSoon) waiter_.Expect();
        if (!hot_.empty() && waiter_.PollAgain(PollCostOfHot())) {
          // The yield was a system call anyway, so one more weighs little. A policy may have this
          // thread spin for long; then it looks at the clock now and then.
          if (const std::optional<int64_t> now = waiter_.yielded_at()) {
            PollEventsIfDue(*now);
          } else if (++vain_passes_ % kSpinsPerClock == 0) {
            PollEventsIfDue(SteadyNanos());
          }
          break;
        }
        // Both say "wake me from now on", then look once more. So whatever comes is either seen by
        // that look or wakes epoll_wait.
        if (!ArmHot() || !tasks_.BeginSleep()) {
          // A source that always says that something came must not keep the others from being seen.
          PollEventsIfDue(SteadyNanos());
          break;
        }
        Sleep();
        tasks_.EndSleep();
        waiter_.Slept();
        break;
    }
  }
  return true;
}

void Poller::Poll() {
  // Acquire, and release at the end: the last Poll may have been another thread's, and what it
  // wrote to the role's state must be seen here. A Poll from within a task finds the flag set.
  if (polling_.exchange(true, std::memory_order_acquire)) return;
  tasks_.EndSleep();
  (void)PollEvents(0);
  for (int passes = 0; passes < kPassesPerPoll; ++passes) {
    // It never spins: the program has other things to do, and fd() tells it when to come back.
    if (TakePass() <= Pass::kDrained) (void)PollEvents(0);
    if (tasks_.any() || !ArmHot()) continue;
    if (resting_.empty()) break;
    BeginRound();
  }
  // Hot sources are not armed, so they would not make fd() readable. An empty task does.
  if (!hot_.empty() || !resting_.empty()) Post(this, [] {});
  tasks_.BeginAway();
  polling_.store(false, std::memory_order_release);
}

}  // namespace nigh
