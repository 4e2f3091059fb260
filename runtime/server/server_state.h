#ifndef NIGH_RUNTIME_SERVER_SERVER_STATE_H_
#define NIGH_RUNTIME_SERVER_SERVER_STATE_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/generic_service.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/server/call_rules.h"
#include "nigh/runtime/server/connection_limits.h"
#include "nigh/runtime/server/dispatcher.h"
#include "nigh/runtime/server/gatekeeper.h"
#include "nigh/runtime/server/listener_source.h"
#include "nigh/runtime/server/report_rate.h"
#include "nigh/runtime/server/server_session.h"
#include "nigh/server.h"
#include "nigh/transport/address.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// A server at work: what it listens at, whom it serves, and how that ends.
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
  std::vector<std::string> addresses() const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Start() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Run() ABSL_LOCKS_EXCLUDED(mutex_);
  // `hurries` says that the rest of the grace is not wanted; it is asked now and then.
  void Shutdown(absl::Duration grace, absl::FunctionRef<bool()> hurries)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  enum class Phase { kNew, kServing, kDraining, kStopped };

  // At an address that stands for itself; `again`: it is among addresses_ already, and has been
  // lost.
  absl::Status ListenAt(const Address& address, bool again) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status ListenOn(ListeningSocket socket) ABSL_LOCKS_EXCLUDED(mutex_);
  // Tells the service manager, if there is one.
  void Notify(absl::string_view state);
  // Whatever listens at `address`: adds what `listen` makes.
  absl::Status Add(const Transport& transport, const Address& address, bool again,
                   absl::FunctionRef<absl::StatusOr<std::unique_ptr<Listener>>()> listen)
      ABSL_LOCKS_EXCLUDED(mutex_);

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
  // A connection has broken the protocol.
  void ReportBroken(const absl::Status& status) {
    if (const int reported = broken_.Count(1); reported != 0) Report(OneOf(reported, status));
  }

  const BirthProcess birth_;
  const ServerOptions options_;
  Gatekeeper gatekeeper_;
  ReportRate broken_{/*burst=*/16};
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

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_SERVER_STATE_H_
