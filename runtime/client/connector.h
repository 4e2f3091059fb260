#ifndef NIGH_RUNTIME_CLIENT_CONNECTOR_H_
#define NIGH_RUNTIME_CLIENT_CONNECTOR_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/deadline.h"
#include "nigh/interceptor.h"
#include "nigh/method.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/interception.h"
#include "nigh/runtime/call/used_context.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/client/expected_server.h"
#include "nigh/runtime/client/method_table.h"
#include "nigh/runtime/client/retry.h"
#include "nigh/runtime/client/session_lease.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh {

class Poller;

// Connects a channel to its server. It makes a session when the first call needs one, and again
// when the session is lost, after a backoff that grows. Thread-safe. The channel and its calls
// share it.
//
// Two kinds of callers want a session. One waits in its thread: it connects by itself, or waits for
// another that does. The other leaves a callback, and the channel's poller connects for it. A
// caller of the first kind takes such an attempt over, for it may be in the poller's own thread.
class Connector final : public std::enable_shared_from_this<Connector> {
 public:
  Connector(Address address, const Transport* transport, const ChannelOptions& options,
            std::shared_ptr<const ExpectedServer> expected)
      : address_(std::move(address)),
        name_(address_.ToString()),
        transport_(transport),
        options_(options),
        expected_(std::move(expected)),
        interceptors_(Compose(options.interceptors)),
        retry_(options.retry) {}
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  // As in Channel.
  ChannelState state() const ABSL_LOCKS_EXCLUDED(mutex_);
  void OnStateChange(std::function<void(ChannelState)> callback) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status WaitForReady(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);
  PeerIdentity peer() const ABSL_LOCKS_EXCLUDED(mutex_);
  const Address& address() const { return address_; }
  MethodTable& methods() { return methods_; }

  // Fails in a child of fork(2), which has inherited the channel and must leave it alone. To be
  // asked before all else: in a child, locks may never be released.
  absl::Status CheckProcess(const Method& method) const {
    if (is_of_this_process()) return absl::OkStatus();
    return InheritedByFork(absl::StrCat(name_, ": ", method.name), "channel");
  }
  bool is_of_this_process() const { return birth_.is_this(); }

  Retry& retry() { return retry_; }

  const InterceptorChain<InterceptedClientCall>& interceptors() const { return interceptors_; }

  // Fails when calls of `method` cannot be made at all; see MethodTable::Check.
  absl::Status Check(const BoundMethod& method) const {
    return MethodTable::Check({method.method, method.id}, name_);
  }

  // Returns a session that accepts calls. Connects if need be, and blocks meanwhile, until the
  // context's deadline or cancellation at most. A call that does not wait for its server to come up
  // waits for `patience` all the same. Fails with the status that the call ends with.
  absl::StatusOr<std::shared_ptr<ClientSession>> Session(const BoundMethod& method,
                                                         UsedContext& context,
                                                         absl::Duration patience)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Borrows the session, if there is one.
  SessionLease LeaseIfReady() const { return SessionLease(seat_); }
  // As Session, borrowed.
  absl::StatusOr<SessionLease> Lease(const BoundMethod& method, UsedContext& context,
                                     absl::Duration patience) ABSL_LOCKS_EXCLUDED(mutex_);
  // How long a call that a server has sent away waits for the next one.
  static constexpr absl::Duration kComeback = absl::Seconds(1);
  // Returns the session, or null if there is none.
  std::shared_ptr<ClientSession> SessionIfReady() const ABSL_LOCKS_EXCLUDED(mutex_);
  // A method has come whose replies may bring descriptors: calls from now on are made on a
  // connection that takes some.
  void RenewForFds() ABSL_LOCKS_EXCLUDED(mutex_);
  // Forgets `session`, which takes no calls any more.
  void Retire(const ClientSession& session) ABSL_LOCKS_EXCLUDED(mutex_);

  // Returns the poller that runs callbacks. The first call finds it or starts it. Null: there is
  // none, and the system has no thread to give for one.
  std::shared_ptr<Poller> poller() ABSL_LOCKS_EXCLUDED(mutex_);
  // Gets a session that accepts calls, or the reason why there is none. Runs in the role of
  // poller(), with no lock held.
  using SessionCallback =
      absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<ClientSession>> session)>;
  // Has `callback` called once there is a session, or when there will be none: an attempt has
  // failed, and `patience` has passed. Connects if need be. `owner` owns the callback as a task of
  // poller(), which must be there.
  void WhenReady(const void* owner, Deadline patience, SessionCallback callback)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Drops the owner's callbacks. One may still be called if it has been posted already.
  void StopWaiting(const void* owner) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // A caller that has left a callback.
  struct Waiter {
    const void* owner;  // of the callback, as the poller's task
    Deadline patience;
    SessionCallback callback;
  };

  // For callers that wait. ConnectOrWait holds the mutex except while it waits or connects; Attempt
  // makes one attempt.
  absl::StatusOr<std::shared_ptr<ClientSession>> Connect(const BoundMethod& method,
                                                         UsedContext& context,
                                                         absl::Duration patience)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::shared_ptr<ClientSession>> ConnectOrWait(const BoundMethod& method,
                                                               UsedContext& context,
                                                               Deadline patience)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::shared_ptr<ClientSession>> Attempt(UsedContext& context)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // For callers that have left a callback. Answers them, has the poller begin to connect, or sets a
  // timer for the next attempt.
  void ServeWaiters() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Answer(Waiter waiter, absl::StatusOr<std::shared_ptr<ClientSession>> session)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // An attempt by the poller, from its beginning to its end. Its outcome is dropped once a caller
  // has taken the attempt over: attempts_ is then not `attempt` any more.
  void AttemptOnPoller(uint64_t attempt) ABSL_LOCKS_EXCLUDED(mutex_);
  void EndAttemptOnPoller(uint64_t attempt, const std::shared_ptr<ClientSession>& session,
                          const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

  std::shared_ptr<ClientSession> NewSession(std::unique_ptr<Connection> connection);
  // A session that takes no more of this channel's calls.
  struct Former {
    std::shared_ptr<ClientSession> session;
    SessionSeat* seat;
  };
  Former TakeSession() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LetGo(const Former& former) ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether it takes no descriptors, and would if it were made now.
  bool LacksFds(ClientSession& session) const;
  // Note the outcome of an attempt. False: it has succeeded, but a stub that takes descriptors has
  // come since it began, and the next one is due.
  bool Connected(const std::shared_ptr<ClientSession>& session)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FailedToConnect(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Duration NextPause() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void SetState(ChannelState state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Tells the state callbacks of the changes that they have not heard of.
  void Announce() ABSL_LOCKS_EXCLUDED(mutex_);

  const BirthProcess birth_;
  const Address address_;
  const std::string name_;  // the address, for messages
  const Transport* const transport_;
  const ChannelOptions options_;
  const std::shared_ptr<const ExpectedServer> expected_;
  const InterceptorChain<InterceptedClientCall> interceptors_;
  MethodTable methods_;
  Retry retry_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::shared_ptr<ClientSession> session_ ABSL_GUARDED_BY(mutex_);
  std::atomic<SessionSeat*> seat_ = nullptr;  // where session_ is lent; written under mutex_
  std::shared_ptr<ClientSession> attempt_ ABSL_GUARDED_BY(mutex_);  // shaking hands
  bool connecting_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<Poller> poller_ ABSL_GUARDED_BY(mutex_);
  bool on_poller_ ABSL_GUARDED_BY(mutex_) = false;  // the poller connects, not a caller
  uint64_t attempts_ ABSL_GUARDED_BY(mutex_) = 0;   // the poller's, begun or taken over
  std::vector<Waiter> waiters_ ABSL_GUARDED_BY(mutex_);
  // When the poller looks at waiters_ again, if a timer has been set for that.
  Deadline next_look_ ABSL_GUARDED_BY(mutex_) = Deadline::Infinite();
  absl::Status last_error_ ABSL_GUARDED_BY(mutex_);
  absl::Duration pause_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
  Deadline next_attempt_ ABSL_GUARDED_BY(mutex_) = Deadline::AtNanos(0);
  ChannelState state_ ABSL_GUARDED_BY(mutex_) = ChannelState::kIdle;
  std::vector<std::function<void(ChannelState)>> callbacks_ ABSL_GUARDED_BY(mutex_);
  std::deque<ChannelState> unannounced_ ABSL_GUARDED_BY(mutex_);
  bool announcing_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_CONNECTOR_H_
