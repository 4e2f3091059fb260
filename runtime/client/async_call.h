#ifndef NIGH_RUNTIME_CLIENT_ASYNC_CALL_H_
#define NIGH_RUNTIME_CLIENT_ASYNC_CALL_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "google/protobuf/message_lite.h"
#include "nigh/async_stream.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/runtime/client/client_call.h"
#include "nigh/runtime/client/connector.h"
#include "nigh/runtime/loop/poller.h"

namespace nigh {

// The AsyncCall of a client. It waits for events of a ClientCall; when an event has come, it does
// what a caller that waits in a thread would do then. Callbacks that wait keep the call alive.
class AsyncClientCall final : public AsyncCall,
                              public std::enable_shared_from_this<AsyncClientCall> {
 public:
  AsyncClientCall(BoundMethod method, ClientContext& context);
  AsyncClientCall(BoundMethod method, const CallOptions& options);

  ClientContext& context() override { return context_; }
  void Expect(MessageTarget target) override { call_.Expect(target); }
  void Start(const google::protobuf::MessageLite* first, bool end) override;
  void Cancel() override { context_.TryCancel(); }

  void Read(MessageTarget target, Done done) override;
  void Write(const google::protobuf::MessageLite& message, bool end, Done done) override;
  bool WritesDone() override;
  void WaitForInitialMetadata(absl::AnyInvocable<void()> done) override;
  void Finish(absl::AnyInvocable<void(absl::Status)> done) override;
  void Abandon() override;

  bool Ready(CallEvent event) override;
  void When(CallEvent event, absl::AnyInvocable<void()> callback) override;
  std::optional<bool> TryWrite(const google::protobuf::MessageLite& message, bool end) override;
  bool TakeMessage(MessageTarget target) override { return call_.Read(target); }
  absl::Status TakeStatus() override;
  void Discard() override;

 private:
  enum class Phase {
    kConnecting,  // it waits for a session, or has not been started
    kOpening,     // a thread is giving it to a session
    kOpen,        // a session has it
    kFailed,      // it has ended without reaching a session
  };

  // Waits for a session, by a callback.
  void Connect() ABSL_LOCKS_EXCLUDED(mutex_);
  void OnSession(absl::StatusOr<std::shared_ptr<ClientSession>> session)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Gives the call to `session`. False: the session takes no calls, another one is needed.
  bool OpenOn(std::shared_ptr<ClientSession> session, const MessageSource* first)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends a call that has not reached a session.
  void FailToStart(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  // Runs it on the poller; without one, now.
  void RunSoon(absl::AnyInvocable<void()> callback);
  // Stops waiting for a session.
  void StopConnecting() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the call with `status`: its context has been cancelled, its deadline has passed, or a
  // message cannot be sent.
  void GiveUp(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<bool> TryWriteSource(const MessageSource& message, bool end);
  void WriteBytes(std::string bytes, bool end, Done done);
  void RemoveHooks() ABSL_LOCKS_EXCLUDED(mutex_);

  std::optional<ClientContext> own_;
  ClientContext& context_;
  const BoundMethod method_;
  CallWaiters waiters_;
  ClientCall call_;
  Poller::TimerId timer_;  // the deadline's

  Mutex mutex_;
  std::shared_ptr<Connector> connector_ ABSL_GUARDED_BY(mutex_);  // until a session has the call
  Phase phase_ ABSL_GUARDED_BY(mutex_) = Phase::kConnecting;
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
  // What is kept while the call connects: the first message, whether it is the last one, whether
  // replies are discarded, and the callbacks that wait, by event.
  std::optional<std::string> first_ ABSL_GUARDED_BY(mutex_);
  bool end_ ABSL_GUARDED_BY(mutex_) = false;
  bool discard_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t waiter_ ABSL_GUARDED_BY(mutex_) = 0;               // the connector's
  Cancellation::Id cancel_hook_ ABSL_GUARDED_BY(mutex_) = 0;  // until the call has begun
  std::array<absl::AnyInvocable<void()>, kCallEvents> early_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_ASYNC_CALL_H_
