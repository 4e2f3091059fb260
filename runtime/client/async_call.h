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
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/runtime/client/client_call.h"
#include "nigh/runtime/loop/poller.h"

namespace nigh {

// One call of any kind for which nobody waits in a thread: the type-erased machine below callbacks
// and coroutines. Nothing in here blocks. What waits to happen keeps the call alive.
//
// Callbacks run in the role of the channel's poller, one at a time, with no lock held: never inside
// the function that they were given to. They may do anything, but should not block for long. One
// operation of each kind at a time: a read, a write, a wait for initial metadata, and the end.
class AsyncCall final : public std::enable_shared_from_this<AsyncCall> {
 public:
  using Done = absl::AnyInvocable<void(bool ok)>;

  // `context` must outlive the call: until Finish has called back, or Abandon.
  AsyncCall(BoundMethod method, ClientContext& context);
  AsyncCall(BoundMethod method, const CallOptions& options);
  AsyncCall(const AsyncCall&) = delete;
  AsyncCall& operator=(const AsyncCall&) = delete;

  ClientContext& context() { return context_; }

  // As ClientCall's.
  void Expect(MessageTarget target) { call_.Expect(target); }
  // The message, as those to Write, need not outlive the function.
  void Start(const google::protobuf::MessageLite* first, bool end);
  void Cancel() { context_.TryCancel(); }

  // `target` is filled when `done` is told true.
  void Read(MessageTarget target, Done done);
  void Write(const google::protobuf::MessageLite& message, bool end, Done done);
  // False: it had ended. Not while a Write is under way.
  bool WritesDone();
  void WaitForInitialMetadata(absl::AnyInvocable<void()> done);
  void Finish(absl::AnyInvocable<void(absl::Status)> done);

  // Cancels the call if it is not over. No callback runs after this; if one is running in another
  // thread, waits until it has.
  void Abandon();

  // What the above are made of, for coroutines. When: `callback` runs once `event` has come; the
  // Take of that event must not be asked for before. TryWrite: nothing, where it would have to
  // wait.
  bool Ready(CallEvent event);
  void When(CallEvent event, absl::AnyInvocable<void()> callback);
  std::optional<bool> TryWrite(const google::protobuf::MessageLite& message, bool end);
  bool TakeMessage(MessageTarget target) { return call_.Read(target); }
  absl::Status TakeStatus();
  // Nobody will read any more: to be called before the wait for the end.
  void Discard();

 private:
  enum class Phase {
    kConnecting,  // or not started
    kOpening,     // just being given to a session
    kOpen,        // a session has it
    kFailed,      // it ended without having begun
  };

  // Waits for a session.
  void Connect() ABSL_LOCKS_EXCLUDED(mutex_);
  void OnSession(absl::StatusOr<std::shared_ptr<ClientSession>> session)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // True: the call has begun. False: another session is needed.
  bool OpenOn(std::shared_ptr<ClientSession> session, const MessageSource* first)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The call ends without having begun.
  void FailToStart(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  // It waits for no session any more.
  void StopConnecting() ABSL_LOCKS_EXCLUDED(mutex_);
  // The context has been cancelled or the deadline has passed.
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
  std::shared_ptr<Channel> channel_ ABSL_GUARDED_BY(mutex_);  // until a session has the call
  Phase phase_ ABSL_GUARDED_BY(mutex_) = Phase::kConnecting;
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
  // While it connects: the first message, whether it is the last, what waits, by event.
  std::optional<std::string> first_ ABSL_GUARDED_BY(mutex_);
  bool end_ ABSL_GUARDED_BY(mutex_) = false;
  bool discard_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t waiter_ ABSL_GUARDED_BY(mutex_) = 0;               // the channel's
  Cancellation::Id cancel_hook_ ABSL_GUARDED_BY(mutex_) = 0;  // until the call has begun
  std::array<absl::AnyInvocable<void()>, kCallEvents> early_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_ASYNC_CALL_H_
