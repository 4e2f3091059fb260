#include "nigh/runtime/server/server_state.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/event_loop.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/runtime/base/standard_descriptors.h"
#include "nigh/runtime/call/protobuf_log.h"
#include "nigh/runtime/loop/poller.h"
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

int PollerCount(const ServerOptions& options) {
  if (options.pollers > 0) return options.pollers;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / 2);
}

}  // namespace

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
  if (!address.ok()) return address.status();
  absl::StatusOr<const Transport*> transport = FindTransport(options_.transports, *address);
  if (!transport.ok()) return transport.status();
  if ((*transport)->handed == nullptr) return ListenAt(*address, /*again=*/false);
  absl::StatusOr<std::vector<ListeningSocket>> sockets = (*transport)->handed(*address);
  if (!sockets.ok()) return sockets.status();
  for (ListeningSocket& socket : *sockets) {
    if (absl::Status listens = ListenOn(std::move(socket)); !listens.ok()) {
      return Prefixed(absl::StrCat(text, ": listen"), listens);
    }
  }
  return absl::OkStatus();
}

absl::Status Server::State::ListenOn(ListeningSocket socket) {
  absl::StatusOr<const Transport*> transport = FindTransport(options_.transports, socket.address);
  if (!transport.ok()) return transport.status();
  if ((*transport)->listen_on == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("address \"", socket.address.ToString(), "\": ", socket.address.scheme,
                     ": does not listen on a socket that is handed over"));
  }
  const Address address = socket.address;
  return Add(**transport, address, /*again=*/false,
             [&] { return (*transport)->listen_on(std::move(socket)); });
}

absl::Status Server::State::ListenAt(const Address& address, bool again) {
  absl::StatusOr<const Transport*> transport = FindTransport(options_.transports, address);
  if (!transport.ok()) return transport.status();
  return Add(**transport, address, again, [&] { return (*transport)->listen(address); });
}

absl::Status Server::State::Add(
    const Transport& transport, const Address& address, bool again,
    absl::FunctionRef<absl::StatusOr<std::unique_ptr<Listener>>()> listen) {
  const Reach reach = transport.reach;
  if (absl::Status good = gatekeeper_.Check(address, reach); !good.ok()) return good;
  absl::StatusOr<std::unique_ptr<Listener>> listener = listen();
  if (!listener.ok()) return listener.status();
  const Address bound = (*listener)->address();
  (*listener)->SetGate(gatekeeper_.GateOf(bound, reach));
  MutexLock lock(mutex_);
  if (phase_ > Phase::kServing) {
    return absl::UnavailableError(
        absl::StrCat(bound.ToString(), ": listen: the server is shut down"));
  }
  if (!again) {
    NoteTransport(transport);
    addresses_.push_back(bound.ToString());
    // There can be connections again.
    eventfd_t ignored;
    if (open_listeners_++ == 0) (void)::eventfd_read(stopped_.get(), &ignored);
  }
  listeners_.push_back(std::make_shared<ListenerSource>(
      *std::move(listener), [this, bound, &made_by = transport](auto connection) {
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
  session->OnBroken([this](const absl::Status& status) { ReportBroken(status); });
  session->OnEnd([this, ended = session.get()] { Forget(*ended); });
  session->OnDrained([this] { Changed(); });
  session->OnGreeted([this, greeted = session.get()] { limits_->Greeted(*greeted); });
  // Who was given the descriptors of its one connection may take its time.
  if (!limits_->Add(session, /*awaits_hello=*/transport.reach != Reach::kInvited).ok()) return;
  bool serves = false;
  {
    MutexLock lock(mutex_);
    serves = phase_ == Phase::kServing;
    if (serves) sessions_[session.get()] = session;
  }
  if (!serves) {
    // Shutdown has listed the sessions that it ends. This one says why, and closes its connection.
    session->Drain();
    return limits_->Remove(*session);
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

}  // namespace nigh
