#include "nigh/runtime/loop/poller.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "nigh/deadline.h"
#include "nigh/runtime/loop/pollable.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/waiter.h"

namespace nigh {
namespace {

// A connection that had nothing in so many passes is no longer hot.
constexpr int kCoolAfter = 64;
// Passes that spin in vain for one look at the clock.
constexpr uint32_t kSpinsPerClock = 64;
// A poller that usually sleeps for longer than this stops its alarm before. One that sleeps less
// puts it off when it is awake again, which costs nothing most of the time.
constexpr int64_t kLongSleepNanos = 300'000;
// Tasks run before the connections get their turn.
constexpr int kTasksPerTurn = 64;
// What one Poll may take.
constexpr int kPassesPerPoll = 64;
constexpr uint64_t kTasksToken = 0;
// Set in the token of a descriptor that tells of room alone; it may do so by becoming readable.
constexpr uint64_t kRoomBit = uint64_t{1} << 63;

}  // namespace

Poller::Poller(const WaitPolicy& policy) : epoll_(::epoll_create1(EPOLL_CLOEXEC)), waiter_(policy) {
  Control(EPOLL_CTL_ADD, tasks_.wake_fd(), kTasksToken, EPOLLIN);
  Control(EPOLL_CTL_ADD, tasks_.timer_fd(), kTasksToken, EPOLLIN);
  // What is posted before the first Poll makes fd() readable.
  (void)tasks_.BeginSleep();
}

absl::Status Poller::Open() const {
  if (epoll_ && tasks_.wake_fd() >= 0 && tasks_.timer_fd() >= 0) return absl::OkStatus();
  return ErrnoStatus(absl::StatusCode::kResourceExhausted, EMFILE, "start",
                     "epoll_create, eventfd, timerfd_create");
}

void Poller::Control(int operation, int fd, Token token, uint32_t events) {
  epoll_event event{.events = events, .data = {.u64 = token}};
  (void)::epoll_ctl(epoll_.get(), operation, fd, &event);
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
  MakeHot(source);
  // What it sent before it was known here may still wait for room.
  WatchSend(source);
}

void Poller::WatchRoom(const Pollable& pollable) {
  Post(this, [this, key = &pollable] {
    // One that has ended meanwhile is not known any more.
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
      Drop(source);
    }
    pollable = nullptr;
    removed();
  });
}

void Poller::Stop() {
  Post(this, [this] { stopping_ = true; });
}

void Poller::Drop(Source& source) {
  const auto dropped = sources_.extract(source.token);  // goes after the rest
  for (const int fd : {source.receive_fd, source.send_fd, source.end_fd}) {
    if (fd >= 0) Control(EPOLL_CTL_DEL, fd, source.token, 0);
  }
  tokens_.erase(source.pollable.get());
  load_.fetch_sub(1, std::memory_order_relaxed);
}

Poller::Pass Poller::RunTasks() {
  if (!tasks_.any()) return Pass::kNothing;
  bool kept = true;
  for (int i = 0; i < kTasksPerTurn && kept; ++i) {
    const bool ran = tasks_.RunNext([&](Owner owner, Task& task) {
      // Its own are short and use what belongs to the role.
      if (owner == this) return task();
      const uint64_t entered = mark_.Enter();
      task();
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
}

void Poller::Watch(Source& source, const Wake& wake) {
  source.receive_fd = wake.fd;
  source.edge_triggered = wake.edge_triggered;
  const uint32_t events =
      static_cast<uint32_t>(wake.events) | (wake.edge_triggered ? uint32_t{EPOLLET} : 0);
  if (source.send_fd == wake.fd) {
    // It is in the set already, for sending.
    Control(EPOLL_CTL_MOD, wake.fd, source.token, events | EPOLLOUT);
  } else {
    Control(EPOLL_CTL_ADD, wake.fd, source.token, events);
  }
  source.end_fd = wake.end_fd;
  if (wake.end_fd >= 0) {
    Control(EPOLL_CTL_ADD, wake.end_fd, source.token, static_cast<uint32_t>(wake.end_events));
  }
}

void Poller::WatchSend(Source& source) {
  const std::optional<Wake> wake = source.pollable->ArmSend();
  // Nothing waits any more: another thread's send took it along, and those who wait must hear of
  // it.
  if (!wake.has_value() || wake->ready()) return ResumeSend(source);
  source.send_fd = wake->fd;
  source.send_edge_triggered = wake->edge_triggered;
  const auto events = static_cast<uint32_t>(wake->events);
  if (wake->fd != source.receive_fd) {
    Control(EPOLL_CTL_ADD, wake->fd, source.token | kRoomBit,
            events | (wake->edge_triggered ? uint32_t{EPOLLET} : 0));
  } else {
    Control(EPOLL_CTL_MOD, wake->fd, source.token,
            events | EPOLLIN | (source.edge_triggered ? uint32_t{EPOLLET} : 0));
  }
}

void Poller::ResumeSend(Source& source) {
  const int fd = std::exchange(source.send_fd, -1);
  if (fd >= 0 && fd == source.receive_fd) {
    Control(EPOLL_CTL_MOD, fd, source.token,
            EPOLLIN | (source.edge_triggered ? uint32_t{EPOLLET} : 0));
  } else if (fd >= 0) {
    Control(EPOLL_CTL_DEL, fd, source.token, 0);
    // A signal that stays would make it ready as soon as it is added again.
    eventfd_t ignored;
    if (source.send_edge_triggered) (void)::eventfd_read(fd, &ignored);
  }
  source.pollable->ResumeSending();  // asks for WatchRoom again if it has to
}

Waiter::PollCost Poller::PollCostOfHot() const {
  const bool cheap = absl::c_all_of(hot_, [](const Source* source) {
    return source->pollable->poll_cost() == Waiter::PollCost::kCheap;
  });
  return cheap ? Waiter::PollCost::kCheap : Waiter::PollCost::kSystemCall;
}

Poller::Pass Poller::PollHot() {
  Pass result = Pass::kNothing;
  for (size_t i = 0; i < hot_.size();) {
    Source& source = *hot_[i];
    // A handler that overstays may find its session gone from here when it returns.
    const std::shared_ptr<Pollable> pollable = source.pollable;
    bool cold = false;
    switch (pollable->TakeTurn(mark_)) {
      case Pollable::Turn::kRoleLost:
        return Pass::kRoleLost;
      case Pollable::Turn::kBusy:
        source.idle_passes = 0;
        result = Pass::kBusy;
        AfterWork();
        break;
      case Pollable::Turn::kDrained:
        source.idle_passes = 0;
        result = std::max(result, Pass::kDrained);
        AfterWork();
        break;
      case Pollable::Turn::kNothing:
        cold = ++source.idle_passes > kCoolAfter && Cool(source);
        break;
      case Pollable::Turn::kQuiet:
        cold = Cool(source);
        break;
      case Pollable::Turn::kEnded:
        Drop(source);
        result = Pass::kBusy;
        cold = true;
        break;
    }
    if (cold) {
      hot_[i] = hot_.back();
      hot_.pop_back();
    } else {
      ++i;
    }
  }
  return result;
}

bool Poller::Cool(Source& source) {
  const Wake wake = source.pollable->ArmReceive();
  if (wake.ready()) return false;
  if (source.receive_fd < 0) Watch(source, wake);
  source.hot = false;
  return true;
}

bool Poller::ArmHot() {
  hot_.erase(
      std::remove_if(hot_.begin(), hot_.end(), [&](Source* source) { return Cool(*source); }),
      hot_.end());
  return hot_.empty();
}

void Poller::PollEvents(int timeout_millis) {
  last_events_ = SteadyNanos();
  std::array<epoll_event, 64> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), timeout_millis);
  for (int i = 0; i < count; ++i) {
    const Token token = events[i].data.u64 & ~kRoomBit;
    const bool room_only = token != events[i].data.u64;
    if (token == kTasksToken) {
      tasks_.TakeWake();
      continue;
    }
    const auto entry = sources_.find(token);
    if (entry == sources_.end()) continue;
    Source& source = *entry->second;
    if (room_only || (events[i].events & EPOLLOUT) != 0) ResumeSend(source);
    if (!room_only && (events[i].events & ~uint32_t{EPOLLOUT}) != 0) MakeHot(source);
  }
}

Poller::Pass Poller::TakePass() {
  const Pass tasks = RunTasks();
  if (tasks == Pass::kRoleLost) return tasks;
  const Pass hot = PollHot();
  if (hot == Pass::kRoleLost) return hot;
  return std::max(tasks, hot);
}

void Poller::AfterWork() {
  // The peers have just been answered, and are busy themselves: the time for what must be done now
  // and then. In a pass that finds nothing it would stand in the way of the next request.
  const int64_t now = SteadyNanos();
  mark_.PutOff(now);
  PollEventsIfDue(now);
}

bool Poller::Drive() {
  tasks_.EndSleep();
  while (!stopping_) {
    switch (TakePass()) {
      case Pass::kRoleLost:
        return false;
      case Pass::kBusy:
        waiter_.Found();
        break;
      case Pass::kDrained:
        // What has just been found empty need not be looked at again before the wait.
        waiter_.Found();
        [[fallthrough]];
      case Pass::kNothing:
        if (!hot_.empty() && waiter_.PollAgain(PollCostOfHot())) {
          // Who yields makes a system call for each look anyway. Who spins may do so for long, if
          // the policy says so, and looks at the clock now and then.
          if (const std::optional<int64_t> now = waiter_.yielded_at()) {
            PollEventsIfDue(*now);
          } else if (++vain_passes_ % kSpinsPerClock == 0) {
            PollEventsIfDue(SteadyNanos());
          }
          break;
        }
        if (!ArmHot() || !tasks_.BeginSleep()) {
          // A source that always says that something came would keep all others from being seen.
          PollEventsIfDue(SteadyNanos());
          break;
        }
        if (waiter_.usual_nanos() > kLongSleepNanos) mark_.Disarm();
        PollEvents(-1);
        tasks_.EndSleep();
        waiter_.Slept();
        break;
    }
  }
  return true;
}

void Poller::Poll() {
  if (polling_.exchange(true, std::memory_order_acquire)) return;
  tasks_.EndSleep();
  PollEvents(0);
  for (int passes = 0; passes < kPassesPerPoll; ++passes) {
    // Not the waiter's policy: the program has other things to do, and fd() will tell it.
    if (TakePass() <= Pass::kDrained) PollEvents(0);
    if (!tasks_.any() && ArmHot()) break;
  }
  // What is left to do keeps fd() readable.
  if (!hot_.empty()) Post(this, [] {});
  tasks_.BeginAway();
  polling_.store(false, std::memory_order_release);
}

}  // namespace nigh
