#include "nigh/server.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/deadline.h"
#include "nigh/event_loop.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/runtime/base/standard_descriptors.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/protobuf_log.h"
#include "nigh/runtime/loop/pollable.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/loop/stop_signals.h"
#include "nigh/runtime/loop/worker_pool.h"
#include "nigh/runtime/server/call_rules.h"
#include "nigh/runtime/server/connection_limits.h"
#include "nigh/runtime/server/dispatcher.h"
#include "nigh/runtime/server/gatekeeper.h"
#include "nigh/runtime/server/listener_source.h"
#include "nigh/runtime/server/server_session.h"
#include "nigh/transport/address.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

namespace {

constexpr absl::Duration kHurryEvery = absl::Milliseconds(20);
// How long a server that has nothing left to do waits for its clients to leave, the grace at most.
// One that sleeps does not hear of it; what was sent to it has arrived by then.
constexpr absl::Duration kFarewell = absl::Milliseconds(200);

int PollerCount(const ServerOptions& options) {
  if (options.pollers > 0) return options.pollers;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / 2);
}

}  // namespace

class Server::State {
 public:
  explicit State(ServerOptions options);
  ~State() {
    Shutdown(absl::ZeroDuration(), [] { return false; });
  }

  // Fails in a child of fork(2), which has inherited the server.
  absl::Status CheckProcess(absl::string_view operation) const {
    return birth_.is_this() ? absl::OkStatus() : InheritedByFork(operation, "server");
  }

  void Register(Service& service) {
    registered_.Update(dispatcher_.Register(service));
    registered_.Update(rules_.Add(service));
  }
  void RegisterFallback(GenericService& service) {
    registered_.Update(dispatcher_.RegisterFallback(service));
    rules_.AddFallback();
  }
  absl::Status Listen(absl::string_view text) ABSL_LOCKS_EXCLUDED(mutex_);
  // The same; `again`: the address is among addresses_ already, and has been lost.
  absl::Status ListenAt(const Address& address, bool again) ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<std::string> addresses() const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Start() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Run() ABSL_LOCKS_EXCLUDED(mutex_);
  // `hurries` says that the rest of the grace is not wanted; it is asked every kHurryEvery.
  void Shutdown(absl::Duration grace, absl::FunctionRef<bool()> hurries)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  enum class Phase { kNew, kServing, kDraining, kStopped };

  // Has a thread of the pool take the poller's role. False: it has to wait for one, for the system
  // has no other to give.
  bool Drive(Poller& poller);
  // Ends all threads: what the pollers still hold stays there.
  void StopThreads();
  // Waits until `done`, which is called with the mutex held, returns true or `deadline` has passed.
  // With an event loop, polls it meanwhile, unless another thread does so in Run.
  void WaitUntil(Deadline deadline, absl::FunctionRef<bool()> done)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Wakes WaitUntil, because what it waits for may have happened.
  void Changed() ABSL_LOCKS_EXCLUDED(mutex_);
  // Has the poller let go of `pollable`. Counts `left` down when it has.
  void Release(Poller& poller, std::shared_ptr<Pollable> pollable, size_t& left);
  void CloseListeners() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the calls and connections of `sessions`, and waits until the pollers have let go of them.
  void CloseSessions(const std::vector<std::shared_ptr<ServerSession>>& sessions)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes what came to the listener at `address`.
  void Accept(const Address& address, const Transport& transport,
              absl::StatusOr<std::unique_ptr<Connection>> connection) ABSL_LOCKS_EXCLUDED(mutex_);
  // In the role of the listeners' poller: `lost` has ended the listener at `address`, and the
  // poller has let go of it.
  void Recover(const Address& address, absl::Status lost) ABSL_LOCKS_EXCLUDED(mutex_);
  // Notes that a listener has ended because its medium brings no more connections.
  void NoMoreArrivals() ABSL_LOCKS_EXCLUDED(mutex_);
  void Forget(ServerSession& session) ABSL_LOCKS_EXCLUDED(mutex_);
  void StopIfNobodyCanCome() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Notes that the server listens at an address of `transport`.
  void NoteTransport(const Transport& transport) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Report(const absl::Status& status) {
    if (options_.on_error) options_.on_error(status);
  }

  const BirthProcess birth_;
  const ServerOptions options_;
  Gatekeeper gatekeeper_;
  CallRules rules_;
  Dispatcher dispatcher_;
  std::vector<std::shared_ptr<Poller>> pollers_;  // or only the event loop's
  std::optional<ConnectionLimits> limits_;
  absl::Status registered_;  // the first failure
  // An eventfd that ends Run. It is readable once Shutdown has begun, or when there can be no more
  // connections.
  UniqueFd stopped_;
  // Whether SIGINT in Run shuts the server down. For a signal handler.
  std::atomic<bool> heeds_terminal_;

  mutable Mutex mutex_;
  CondVar changed_;
  Phase phase_ ABSL_GUARDED_BY(mutex_) = Phase::kNew;
  std::thread::id runner_ ABSL_GUARDED_BY(mutex_);  // the thread that is in Run
  std::vector<std::string> addresses_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<ListenerSource>> listeners_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);       // that ends Run
  size_t open_listeners_ ABSL_GUARDED_BY(mutex_) = 0;  // those that may bring a connection
  absl::flat_hash_map<ServerSession*, std::shared_ptr<ServerSession>> sessions_
      ABSL_GUARDED_BY(mutex_);
};

Server::State::State(ServerOptions options)
    : options_(std::move(options)),
      gatekeeper_(options_.admit, [this](const absl::Status& status) { Report(status); }),
      rules_(options_.allow, [this](const absl::Status& status) { Report(status); }),
      // One more than the pollers at least: when a handler blocks a poller's thread, another thread
      // must be there to take the role.
      dispatcher_(options_.event_loop != nullptr
                      ? std::optional<int>()
                      : std::max(options_.max_threads, PollerCount(options_) + 1),
                  Compose(options_.interceptors), options_.thread_timeout,
                  [this](const absl::Status& status) { Report(status); }),
      stopped_(UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)).KeptFromChildren()),
      heeds_terminal_(options_.interrupt != Interrupt::kLeftToHost) {
  if (options_.event_loop != nullptr) pollers_.push_back(options_.event_loop->poller());
  for (int i = 0; options_.event_loop == nullptr && i < PollerCount(options_); ++i) {
    Poller& poller = *pollers_.emplace_back(std::make_shared<Poller>(options_.wait));
    // Without another thread, that which has just lost the role takes it when its handler returns.
    dispatcher_.watchdog().Watch(poller.mark(), [this, &poller] { (void)Drive(poller); });
  }
  limits_.emplace(options_, *pollers_.front(), [this](const auto& status) { Report(status); });
}

absl::Status Server::State::Listen(absl::string_view text) {
  FillStandardDescriptors();
  ListenToProtobufsLog();
  absl::StatusOr<Address> address = Address::Parse(text);
  return address.ok() ? ListenAt(*address, /*again=*/false) : address.status();
}

absl::Status Server::State::ListenAt(const Address& address, bool again) {
  absl::StatusOr<const Transport*> transport = FindTransport(options_.transports, address);
  if (!transport.ok()) return transport.status();
  const Reach reach = (*transport)->reach;
  if (absl::Status good = gatekeeper_.Check(address, reach); !good.ok()) return good;
  absl::StatusOr<std::unique_ptr<Listener>> listener = (*transport)->listen(address);
  if (!listener.ok()) return listener.status();
  const Address bound = (*listener)->address();
  (*listener)->SetGate(gatekeeper_.GateOf(bound, reach));
  MutexLock lock(mutex_);
  if (phase_ > Phase::kServing) {
    return absl::UnavailableError(
        absl::StrCat(bound.ToString(), ": listen: the server is shut down"));
  }
  if (!again) {
    NoteTransport(**transport);
    addresses_.push_back(bound.ToString());
    // There can be connections again.
    eventfd_t ignored;
    if (open_listeners_++ == 0) (void)::eventfd_read(stopped_.get(), &ignored);
  }
  listeners_.push_back(std::make_shared<ListenerSource>(
      *std::move(listener), [this, bound, &made_by = **transport](auto connection) {
        Accept(bound, made_by, std::move(connection));
      }));
  if (phase_ == Phase::kServing) pollers_.front()->Add(listeners_.back());
  return absl::OkStatus();
}

void Server::State::NoteTransport(const Transport& transport) {
  if (options_.interrupt != Interrupt::kByAddress) return;
  const bool others = !addresses_.empty() && heeds_terminal_.load();
  heeds_terminal_.store(others || !transport.serves_parent);
}

std::vector<std::string> Server::State::addresses() const {
  MutexLock lock(mutex_);
  return addresses_;
}

absl::Status Server::State::Start() {
  if (!registered_.ok()) return registered_;
  if (absl::Status status = rules_.Check(); !status.ok()) return status;
  if (absl::Status status = CheckOptions(options_); !status.ok()) return status;
  MutexLock lock(mutex_);
  if (phase_ == Phase::kServing) return absl::OkStatus();
  if (phase_ != Phase::kNew) return absl::UnavailableError("start: the server is shut down");
  for (const std::shared_ptr<Poller>& poller : pollers_) {
    if (absl::Status status = poller->Open(); !status.ok()) return status;
  }
  if (options_.event_loop == nullptr) {
    if (absl::Status status = dispatcher_.watchdog().Start(); !status.ok()) return status;
    for (const std::shared_ptr<Poller>& poller : pollers_) {
      if (Drive(*poller)) continue;
      StopThreads();
      phase_ = Phase::kStopped;
      return absl::ResourceExhaustedError(
          "start: the system has no thread to give (raise the limit on processes, ulimit -u)");
    }
  }
  phase_ = Phase::kServing;
  for (const auto& listener : listeners_) pollers_.front()->Add(listener);
  return absl::OkStatus();
}

void Server::State::StopThreads() {
  // The pool comes last. Its threads drive the pollers, and the watchdog gives it tasks.
  for (const std::shared_ptr<Poller>& poller : pollers_) poller->Stop();
  dispatcher_.watchdog().Stop();
  dispatcher_.pool().Join();
}

bool Server::State::Drive(Poller& poller) {
  return dispatcher_.pool().SubmitUrgent([&poller](WorkerPool::Fate) { poller.Drive(); });
}

void Server::State::Accept(const Address& address, const Transport& transport,
                           absl::StatusOr<std::unique_ptr<Connection>> connection) {
  if (absl::IsOutOfRange(connection.status())) return NoMoreArrivals();
  if (absl::IsResourceExhausted(connection.status())) {
    return limits_->MakeRoom(connection.status());
  }
  if (!connection.ok()) {
    Report(connection.status());
    // As a task, which runs when the poller has let go of the listener and of its descriptors.
    pollers_.front()->Post(nullptr, [this, address, lost = connection.status()]() mutable {
      Recover(address, std::move(lost));
    });
    return;
  }
  // The poller with the least to look after.
  Poller& poller = **absl::c_min_element(
      pollers_, [](const auto& a, const auto& b) { return a->load() < b->load(); });
  std::shared_ptr<Account> account = limits_->OpenAccount((*connection)->peer().uid);
  auto session =
      std::make_shared<ServerSession>(*std::move(connection), transport.reach, poller, dispatcher_,
                                      rules_, options_.limits, std::move(account));
  session->OnBroken([this](const absl::Status& status) { Report(status); });
  session->OnEnd([this, ended = session.get()] { Forget(*ended); });
  session->OnDrained([this] { Changed(); });
  session->OnGreeted([this, greeted = session.get()] { limits_->Greeted(*greeted); });
  // Who was given the descriptors of its one connection may take its time.
  if (!limits_->Add(session, /*awaits_hello=*/transport.reach != Reach::kInvited).ok()) return;
  {
    MutexLock lock(mutex_);
    // Shutdown has listed the sessions that it ends. This one goes, and closes its connection.
    if (phase_ != Phase::kServing) return limits_->Remove(*session);
    sessions_[session.get()] = session;
  }
  session->Open();
  poller.Add(std::move(session));
}

void Server::State::Recover(const Address& address, absl::Status lost) {
  // They go first: one may have a part of its address left, which is needed again.
  std::vector<std::shared_ptr<ListenerSource>> ended;
  {
    MutexLock lock(mutex_);
    if (phase_ != Phase::kServing) return;
    const auto open = std::partition(listeners_.begin(), listeners_.end(),
                                     [](const auto& source) { return source->ended(); });
    ended.assign(listeners_.begin(), open);
    listeners_.erase(listeners_.begin(), open);
  }
  ended.clear();
  // Where it is not the name that has failed, a new listener would not be better off.
  const bool again = options_.lost_address == LostAddress::kListenAgain && absl::IsNotFound(lost);
  if (again) {
    const absl::Status listens = ListenAt(address, /*again=*/true);
    if (listens.ok()) return;
    lost = absl::Status(listens.code(), absl::StrCat(listens.message(),
                                                     "; this server had the address, and lost it"));
  }
  {
    MutexLock lock(mutex_);
    // Somebody is shutting the server down meanwhile.
    if (phase_ != Phase::kServing) return;
    --open_listeners_;
    failure_ = lost;
    (void)::eventfd_write(stopped_.get(), 1);
  }
  if (again) Report(lost);
}

void Server::State::NoMoreArrivals() {
  MutexLock lock(mutex_);
  --open_listeners_;
  StopIfNobodyCanCome();
}

void Server::State::Forget(ServerSession& session) {
  limits_->Remove(session);
  MutexLock lock(mutex_);
  sessions_.erase(&session);
  changed_.SignalAll();
  StopIfNobodyCanCome();
}

void Server::State::StopIfNobodyCanCome() {
  if (open_listeners_ == 0 && sessions_.empty()) (void)::eventfd_write(stopped_.get(), 1);
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

absl::Status Server::State::Run() {
  StopSignals signals(heeds_terminal_);
  if (absl::Status started = Start(); !started.ok()) return started;
  {
    MutexLock lock(mutex_);
    runner_ = std::this_thread::get_id();
  }
  EventLoop* const loop = options_.event_loop.get();
  pollfd fds[] = {{.fd = stopped_.get(), .events = POLLIN, .revents = 0},
                  {.fd = signals.fd(), .events = POLLIN, .revents = 0},
                  {.fd = loop == nullptr ? -1 : loop->fd(), .events = POLLIN, .revents = 0}};
  while (fds[0].revents == 0 && fds[1].revents == 0) {
    if (::poll(fds, std::size(fds), -1) > 0 && fds[2].revents != 0) loop->Poll();
  }
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

Server::Server(ServerOptions options) {
  FillStandardDescriptors();
  state_ = std::make_unique<State>(std::move(options));
}

Server::~Server() {
  // All of it is the parent's.
  if (!state_->CheckProcess("").ok()) (void)state_.release();
}

void Server::Register(Service& service) { state_->Register(service); }
void Server::RegisterFallback(GenericService& service) { state_->RegisterFallback(service); }

absl::Status Server::Listen(absl::string_view address) {
  absl::Status here = state_->CheckProcess(absl::StrCat(address, ": listen"));
  return here.ok() ? state_->Listen(address) : here;
}

std::vector<std::string> Server::addresses() const {
  if (!state_->CheckProcess("").ok()) return {};
  return state_->addresses();
}

absl::Status Server::Start() {
  absl::Status here = state_->CheckProcess("start");
  return here.ok() ? state_->Start() : here;
}

absl::Status Server::Run() {
  absl::Status here = state_->CheckProcess("run");
  return here.ok() ? state_->Run() : here;
}

void Server::Shutdown(absl::Duration grace) {
  if (state_->CheckProcess("").ok()) state_->Shutdown(grace, [] { return false; });
}

}  // namespace nigh
