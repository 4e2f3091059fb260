#ifndef NIGH_RUNTIME_CLIENT_CONNECTOR_H_
#define NIGH_RUNTIME_CLIENT_CONNECTOR_H_

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
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/deadline.h"
#include "nigh/interceptor.h"
#include "nigh/method.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/call/interception.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/client/method_table.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh {

class Poller;

// What a channel is made of: the session with its server, made when the first call needs it and
// again, after a pause that grows, when it is lost. Thread-safe; shared by the channel and its calls.
//
// Two kinds of callers want a session. One waits in its thread: it connects by itself, or waits for
// another that does. The other leaves a callback, and the channel's poller connects for it; a
// caller of the first kind takes such an attempt over, for it may be in the poller's own thread.
class Connector final : public std::enable_shared_from_this<Connector> {
 public:
  Connector(Address address, const Transport* transport, const ChannelOptions& options)
      : address_(std::move(address)),
        name_(address_.ToString()),
        transport_(transport),
        options_(options),
        interceptors_(Compose(options.interceptors)) {}
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  // As Channel's.
  ChannelState state() const ABSL_LOCKS_EXCLUDED(mutex_);
  void OnStateChange(std::function<void(ChannelState)> callback) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status WaitForReady(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);
  PeerIdentity peer() const ABSL_LOCKS_EXCLUDED(mutex_);
  const Address& address() const { return address_; }
  MethodTable& methods() { return methods_; }

  const InterceptorChain<InterceptedClientCall>& interceptors() const { return interceptors_; }

  // Whether calls of `method` can be made at all.
  absl::Status Check(const BoundMethod& method) const {
    return MethodTable::Check({method.method, method.id}, name_);
  }

  // A session that accepts calls, connecting if need be.
  absl::StatusOr<std::shared_ptr<ClientSession>> Session(const BoundMethod& method,
                                                         ClientContext& context)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The session if there is one.
  std::shared_ptr<ClientSession> SessionIfReady() const ABSL_LOCKS_EXCLUDED(mutex_);
  // `session` takes no calls any more.
  void Retire(const ClientSession& session) ABSL_LOCKS_EXCLUDED(mutex_);

  // Who runs callbacks; found or begun when first asked for.
  std::shared_ptr<Poller> poller() ABSL_LOCKS_EXCLUDED(mutex_);
  // A session that accepts calls, or why there is none. In the role of poller(), with no lock held.
  using SessionCallback =
      absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<ClientSession>> session)>;
  // Calls `callback` once there is one, or when there will not be: connects if need be. Returns
  // what StopWaiting takes.
  uint64_t WhenReady(const void* owner, bool wait_for_ready, SessionCallback callback)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The callback goes, and is not called any more unless it has been posted already.
  void StopWaiting(uint64_t id) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Somebody who does not wait in a thread of his.
  struct Waiter {
    uint64_t id;
    const void* owner;  // of the callback, as the poller's task
    bool wait_for_ready;
    SessionCallback callback;
  };

  // By a caller that waits.
  absl::StatusOr<std::shared_ptr<ClientSession>> Connect(const BoundMethod& method,
                                                         ClientContext& context)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::shared_ptr<ClientSession>> ConnectOrWait(const BoundMethod& method,
                                                               ClientContext& context)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::shared_ptr<ClientSession>> Attempt(ClientContext& context)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // By the poller. Does for the waiters what there is to do: answers them, begins to connect, sets a
  // timer.
  void ServeWaiters() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Answer(Waiter waiter, absl::StatusOr<std::shared_ptr<ClientSession>> session)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // An attempt; one that is not the `attempt`th any more does nothing.
  void AttemptOnPoller(uint64_t attempt) ABSL_LOCKS_EXCLUDED(mutex_);
  void EndAttemptOnPoller(uint64_t attempt, const std::shared_ptr<ClientSession>& session,
                          const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

  std::shared_ptr<ClientSession> NewSession(std::unique_ptr<Connection> connection);
  // What an attempt has come to.
  void Connected(std::shared_ptr<ClientSession> session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FailedToConnect(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Duration NextPause() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void SetState(ChannelState state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Tells the callbacks of changes that they have not heard of.
  void Announce() ABSL_LOCKS_EXCLUDED(mutex_);

  const Address address_;
  const std::string name_;  // the same, for messages
  const Transport* const transport_;
  const ChannelOptions options_;
  const InterceptorChain<InterceptedClientCall> interceptors_;
  MethodTable methods_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::shared_ptr<ClientSession> session_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<ClientSession> attempt_ ABSL_GUARDED_BY(mutex_);  // shaking hands
  bool connecting_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<Poller> poller_ ABSL_GUARDED_BY(mutex_);
  bool on_poller_ ABSL_GUARDED_BY(mutex_) = false;  // it is the poller that connects
  uint64_t attempts_ ABSL_GUARDED_BY(mutex_) = 0;   // begun by the poller
  std::vector<Waiter> waiters_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_waiter_ ABSL_GUARDED_BY(mutex_) = 1;
  bool timer_set_ ABSL_GUARDED_BY(mutex_) = false;  // for next_attempt_
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
