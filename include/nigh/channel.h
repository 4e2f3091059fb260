#ifndef NIGH_CHANNEL_H_
#define NIGH_CHANNEL_H_

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "nigh/client_context.h"
#include "nigh/deadline.h"
#include "nigh/interceptor.h"
#include "nigh/method.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/runtime/call/interception.h"
#include "nigh/runtime/client/client_call.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/transport/address.h"
#include "nigh/transport/transport.h"

namespace nigh {

class Poller;

// gRPC's states of a channel.
enum class ChannelState {
  kIdle,  // not connected, and nobody has asked it to be
  kConnecting,
  kReady,
  kTransientFailure,  // the last attempt failed; calls fail with its error until the next one is
                      // due
};

absl::string_view ChannelStateName(ChannelState state);

// A server's address, and the connection to it: made when the first call needs it, made again with
// a growing, jittered pause between attempts when it is lost. Cheap to share: any number of threads
// and stubs call through one channel, and their calls share its one connection.
//
// There is no thread behind it as long as callers wait for their calls: a caller connects, and a
// channel whose connection breaks while nobody calls notices at the next call, which then connects
// anew. Calls that nobody waits for in a thread need ChannelOptions::event_loop or, without one, a
// thread of the process.
class Channel : public std::enable_shared_from_this<Channel> {
 public:
  // As nigh::Dial, below.
  static absl::StatusOr<std::shared_ptr<Channel>> Create(absl::string_view address,
                                                         const ChannelOptions& options);

  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  ChannelState state() const ABSL_LOCKS_EXCLUDED(mutex_);

  // `callback` runs after each change of state, in the order of the changes, one at a time, on
  // whatever thread made the change, with no lock held.
  void OnStateChange(std::function<void(ChannelState)> callback) ABSL_LOCKS_EXCLUDED(mutex_);

  // Connects if need be. OK once the channel is ready; otherwise what keeps it from being so.
  absl::Status WaitForReady(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);

  const Address& address() const { return address_; }

  // Who the server is, from the kernel, and what carries the bytes: as of the connection there is;
  // empty while there is none.
  PeerIdentity peer() const ABSL_LOCKS_EXCLUDED(mutex_);

  // For generated code. Makes `methods` known to the channel and returns the id of the first; the
  // others follow. `methods` must live as long as the channel. Bound once, however often asked.
  uint16_t Bind(absl::Span<const Method> methods) ABSL_LOCKS_EXCLUDED(mutex_);

  // For GenericStub: a method by its name, which the channel remembers. It holds as long as the
  // channel does. Calls of what is no method's name fail with INTERNAL; those of more names than
  // kMaxMethods, which are not remembered, with RESOURCE_EXHAUSTED.
  BoundMethod Bind(absl::string_view name, MethodKind kind) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  friend class AsyncCall;
  friend class ClientCall;

  // As each of the four kinds that it may turn out to be; one number on the wire.
  struct CalledMethod {
    std::string name;
    uint16_t id;
    std::array<Method, 4> kinds;
  };

  // A session that accepts calls, or why there is none. In the role of poller(), with no lock held.
  using SessionCallback =
      absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<ClientSession>> session)>;
  // Somebody who does not wait in a thread of his.
  struct Waiter {
    uint64_t id;
    const void* owner;  // of the callback, as the poller's task
    bool wait_for_ready;
    SessionCallback callback;
  };

  Channel(Address address, const Transport* transport, const ChannelOptions& options)
      : address_(std::move(address)),
        transport_(transport),
        options_(options),
        interceptors_(Compose(options.interceptors)) {}

  // Whether calls of `method` can be made at all.
  absl::Status Check(const BoundMethod& method) const;

  // channel_async.cc
  // Who runs callbacks; found or begun when first asked for.
  std::shared_ptr<Poller> poller() ABSL_LOCKS_EXCLUDED(mutex_);
  // The session if there is one.
  std::shared_ptr<ClientSession> SessionIfReady() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Calls `callback` once there is one, or when there will not be: connects if need be. Returns
  // what StopWaiting takes.
  uint64_t WhenReady(const void* owner, bool wait_for_ready, SessionCallback callback)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The callback goes, and is not called any more unless it has been posted already.
  void StopWaiting(uint64_t id) ABSL_LOCKS_EXCLUDED(mutex_);
  // Does for the waiters what there is to do: answers them, begins to connect, sets a timer.
  void ServeWaiters() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Answer(Waiter waiter, absl::StatusOr<std::shared_ptr<ClientSession>> session)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // An attempt to connect by the poller; one that is not the `attempt`th any more does nothing.
  void AttemptOnPoller(uint64_t attempt) ABSL_LOCKS_EXCLUDED(mutex_);
  void EndAttemptOnPoller(uint64_t attempt, const std::shared_ptr<ClientSession>& session,
                          const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

  // channel.cc
  std::shared_ptr<ClientSession> NewSession(std::unique_ptr<Connection> connection);
  // What an attempt has come to.
  void Connected(std::shared_ptr<ClientSession> session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FailedToConnect(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A session that accepts calls, connecting if need be.
  absl::StatusOr<std::shared_ptr<ClientSession>> Session(const BoundMethod& method,
                                                         ClientContext& context)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::shared_ptr<ClientSession>> Connect(const BoundMethod& method,
                                                         ClientContext& context)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::shared_ptr<ClientSession>> ConnectOrWait(const BoundMethod& method,
                                                               ClientContext& context)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::shared_ptr<ClientSession>> Attempt(ClientContext& context)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // `session` takes no calls any more.
  void Retire(const ClientSession& session) ABSL_LOCKS_EXCLUDED(mutex_);
  void SetState(ChannelState state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Tells the callbacks of changes that they have not heard of.
  void Announce() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Duration NextPause() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Address address_;
  const Transport* const transport_;
  const ChannelOptions options_;
  const InterceptorChain<InterceptedClientCall> interceptors_;

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
  std::vector<std::pair<const Method*, uint16_t>> bound_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::unique_ptr<const CalledMethod>> named_
      ABSL_GUARDED_BY(mutex_);
  size_t method_count_ ABSL_GUARDED_BY(mutex_) = 0;
};

// A channel to `address`, which is not contacted before the first call. INVALID_ARGUMENT when the
// address is malformed or its scheme unknown.
inline absl::StatusOr<std::shared_ptr<Channel>> Dial(absl::string_view address,
                                                     const ChannelOptions& options = {}) {
  return Channel::Create(address, options);
}

// The methods of a service as a stub calls them through one channel.
class BoundMethods {
 public:
  BoundMethods(std::shared_ptr<Channel> channel, absl::Span<const Method> methods)
      : channel_(std::move(channel)), methods_(methods), first_(channel_->Bind(methods)) {}

  BoundMethod operator[](size_t index) const {
    return {channel_.get(), &methods_[index], static_cast<uint16_t>(first_ + index)};
  }

 private:
  std::shared_ptr<Channel> channel_;
  absl::Span<const Method> methods_;
  uint16_t first_;
};

}  // namespace nigh

#endif  // NIGH_CHANNEL_H_
