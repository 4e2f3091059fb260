// How a server ends: it is told to, nobody can come any more, or its last address is lost.

#include "nigh/runtime/server/server_state.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/event_loop.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/runtime/loop/pollable.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/loop/stop_signals.h"
#include "nigh/runtime/server/connection_limits.h"
#include "nigh/runtime/server/dispatcher.h"
#include "nigh/runtime/server/listener_source.h"
#include "nigh/runtime/server/server_session.h"
#include "nigh/service_manager.h"

namespace nigh {
namespace {

constexpr absl::Duration kHurryEvery = absl::Milliseconds(20);
// How long a server that has nothing left to do waits for its clients to leave, the grace at most.
// One that sleeps does not hear of it; what was sent to it has arrived by then.
constexpr absl::Duration kFarewell = absl::Milliseconds(200);

}  // namespace

void Server::State::StopThreads() {
  // The pool comes last. Its threads drive the pollers, and the watchdog gives it tasks.
  for (const std::shared_ptr<Poller>& poller : pollers_) poller->Stop();
  dispatcher_.watchdog().Stop();
  dispatcher_.pool().Join();
}

void Server::State::WaitUntil(Deadline deadline, absl::FunctionRef<bool()> done) {
  const bool polls = options_.event_loop != nullptr &&
                     (runner_ == std::thread::id() || runner_ == std::this_thread::get_id());
  while (!done() && !deadline.HasPassed()) {
    if (polls) {
      MutexUnlock unlock(mutex_);
      options_.event_loop->WaitAndPoll(deadline);
    } else {
      changed_.WaitUntil(mutex_, deadline);
    }
  }
}

void Server::State::Changed() {
  {
    MutexLock lock(mutex_);
    changed_.SignalAll();
  }
  if (options_.event_loop != nullptr) options_.event_loop->Post([] {});
}

void Server::State::Release(Poller& poller, std::shared_ptr<Pollable> pollable, size_t& left) {
  poller.Remove(std::move(pollable), [this, &left] {
    MutexLock lock(mutex_);
    --left;
    changed_.SignalAll();
  });
}

void Server::State::CloseListeners() {
  // Waits for the pollers, so that the listeners' names are gone from the system when this returns.
  MutexLock lock(mutex_);
  size_t left = listeners_.size();
  for (std::shared_ptr<ListenerSource>& listener : std::exchange(listeners_, {})) {
    Release(*pollers_.front(), std::move(listener), left);
  }
  WaitUntil(Deadline::Infinite(), [&] { return left == 0; });
}

void Server::State::CloseSessions(const std::vector<std::shared_ptr<ServerSession>>& sessions) {
  for (const auto& session : sessions) {
    session->CancelAll(absl::UnavailableError("the server is shut down"));
    session->Close();
  }
  // Handlers may need the pollers until they have returned, so the sessions stay there until then.
  MutexLock lock(mutex_);
  WaitUntil(Deadline::Infinite(), [&] {
    return absl::c_all_of(sessions, [](const auto& session) { return session->Idle(); });
  });
  size_t left = sessions.size();
  for (const auto& session : sessions) Release(session->poller(), session, left);
  WaitUntil(Deadline::Infinite(), [&] { return left == 0; });
}

void Server::State::Notify(absl::string_view state) {
  if (absl::Status notified = NotifyServiceManager(state); !notified.ok()) Report(notified);
}

absl::Status Server::State::Run() {
  StopSignals signals(heeds_terminal_);
  if (absl::Status started = Start(); !started.ok()) return started;
  {
    MutexLock lock(mutex_);
    runner_ = std::this_thread::get_id();
  }
  Notify(absl::StrCat("READY=1\nSTATUS=serving at ", absl::StrJoin(addresses(), ", ")));
  EventLoop* const loop = options_.event_loop.get();
  pollfd fds[] = {{.fd = stopped_.get(), .events = POLLIN, .revents = 0},
                  {.fd = signals.fd(), .events = POLLIN, .revents = 0},
                  {.fd = loop == nullptr ? -1 : loop->fd(), .events = POLLIN, .revents = 0}};
  while (fds[0].revents == 0 && fds[1].revents == 0) {
    if (::poll(fds, std::size(fds), -1) > 0 && fds[2].revents != 0) loop->Poll();
  }
  Notify("STOPPING=1\nSTATUS=letting running calls end");
  Shutdown(options_.grace, [&signals] { return signals.count() > 1; });
  MutexLock lock(mutex_);
  return failure_;
}

void Server::State::Shutdown(absl::Duration grace, absl::FunctionRef<bool()> hurries) {
  {
    MutexLock lock(mutex_);
    // Another thread is shutting the server down.
    if (phase_ == Phase::kDraining) {
      WaitUntil(Deadline::Infinite(), [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return phase_ == Phase::kStopped;
      });
    }
    if (phase_ == Phase::kStopped) return;
    if (phase_ == Phase::kNew) {
      phase_ = Phase::kStopped;
      (void)::eventfd_write(stopped_.get(), 1);
      listeners_.clear();
      return;
    }
    phase_ = Phase::kDraining;
  }
  (void)::eventfd_write(stopped_.get(), 1);
  CloseListeners();
  // Complete: since the phase has changed, Accept adds no session.
  std::vector<std::shared_ptr<ServerSession>> sessions;
  {
    MutexLock lock(mutex_);
    for (const auto& [key, session] : sessions_) sessions.push_back(session);
  }
  for (const auto& session : sessions) session->Drain();
  {
    MutexLock lock(mutex_);
    const auto drained = [&] {
      return absl::c_all_of(sessions, [](const auto& session) { return session->Drained(); });
    };
    const Deadline deadline = Deadline::After(grace);
    while (!drained() && !deadline.HasPassed() && !hurries()) {
      WaitUntil(std::min(deadline, Deadline::After(kHurryEvery)), drained);
    }
    // A client that is awake hears of it, takes its calls elsewhere and leaves. What is on its way
    // to a connection that closes might undo what is on its way back: over TCP, the farewell.
    const auto left = [&] {
      return absl::c_all_of(sessions, [](const auto& session) { return session->ClientHasLeft(); });
    };
    const Deadline patience = std::min(deadline, Deadline::After(kFarewell));
    while (!left() && !patience.HasPassed() && !hurries()) {
      WaitUntil(std::min(patience, Deadline::After(kHurryEvery)), left);
    }
  }
  CloseSessions(sessions);
  limits_->Stop();
  if (options_.event_loop == nullptr) StopThreads();
  {
    MutexLock lock(mutex_);
    sessions_.clear();
    phase_ = Phase::kStopped;
  }
  Changed();
}

}  // namespace nigh
