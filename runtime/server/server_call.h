#ifndef NIGH_RUNTIME_SERVER_SERVER_CALL_H_
#define NIGH_RUNTIME_SERVER_SERVER_CALL_H_

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "google/protobuf/message_lite.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/call_state.h"
#include "nigh/runtime/call/window.h"
#include "nigh/runtime/loop/task_queue.h"
#include "nigh/runtime/server/served_context.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/server_stream.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {

struct HandlerArguments;
class InterceptedServerCall;
struct MethodHandler;
class RegisteredMethod;
class RunningTask;
class ServerSession;
template <class Call>
class Interception;

// One call of any kind, as its server sees it: the type-erased machine below handlers and their
// streams. Whoever runs its handler owns the call. The session knows of it until it is over, and
// takes it back for another request.
//
// The session routes frames to its calls; what they mean for the call, and what the handler does, is
// in here. Both share the session's mutex. It is not held while user code runs or a message is
// parsed.
class ServerCall final : public HandlerCall {
 public:
  ServerCall(std::shared_ptr<ServerSession> session, RegisteredMethod& method, uint16_t method_id);
  ~ServerCall();

  // For the handler; see HandlerCall.
  bool Read(MessageTarget target) override;
  bool Write(MessageSource message) override;
  void SendInitialMetadata() override ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasSoleRequest() const override ABSL_LOCKS_EXCLUDED(mutex_);
  void Finish(absl::Status status) override;
  void Abort(const absl::Status& status) override ABSL_LOCKS_EXCLUDED(mutex_);
  void WatchDeadline() override;
  bool Ready(Event event) const override ABSL_LOCKS_EXCLUDED(mutex_);
  void When(Event event, absl::AnyInvocable<void()> callback) override ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<bool> TryWrite(const google::protobuf::MessageLite& message) override {
    return TryWrite(MessageSource(message));
  }
  std::optional<bool> TryWrite(MessageSource message);

  // Runs the handler, sends the response, and gives the call back to its session. A function does
  // all of this before Serve returns. A coroutine gets as far as its first wait; the rest follows
  // as it is resumed.
  static void Serve(std::unique_ptr<ServerCall> call);

  RegisteredMethod& method() const { return method_; }
  ServerSession& session() const { return *session_; }

 private:
  friend class ServerSession;

  static constexpr int kEvents = 2;

  // Tells the analysis that the session, which calls these, holds its mutex.
  void AssertHeld() const ABSL_ASSERT_EXCLUSIVE_LOCK(mutex_) {}
  // Becomes the call of a request, whose message has been parsed unless requests are a stream.
  // `peers_window`: as the client has announced it.
  void Open(const FrameHeader& header, ConstByteSpan payload, uint32_t peers_window)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes a MESSAGE frame. `owned`: the string that holds `payload`, to be taken over, if there is
  // one. An error says why the call is to end.
  absl::Status Take(const FrameHeader& header, ConstByteSpan payload, std::string* owned)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes a CREDIT frame. False: it grants more than any window could mean.
  bool TakeCredit(uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the call from this side: sends `status` to the client and lets the handler know.
  void Terminate(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Wakes or resumes the handler that waits for a change, so that it looks again.
  void Changed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes a call that is over ready for another request of its method. Its messages keep their
  // memory, but for large ones, which may not be needed again.
  void Renew() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // OK, or the answer to a call that is over before its handler runs.
  absl::Status ReadyToRun() const;
  // Starts the interceptors. nullopt: the handler is to run. Otherwise the status with which the
  // call ends instead.
  std::optional<absl::Status> Begin();
  HandlerArguments Arguments();
  absl::Status RunHandler();
  static RunningTask ServeCoroutine(std::unique_ptr<ServerCall> call);

  // Shows the interceptors a message that is about to be sent. False: they have rejected the call,
  // which has been ended.
  bool PassSend(const MessageSource& message);
  // Ends a call that an interceptor has rejected. Returns false, for the caller to return.
  bool EndRejected();
  // Sends the replies of the interceptor that has answered the call.
  absl::Status SendAnswer();

  // Whether the handler need not wait for `event`.
  bool IsReady(Event event) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for `event`. False: the handler has seen its deadline pass instead. The call ends here
  // and now, for a handler that takes this for the end of the requests must not answer OK.
  bool Await(Event event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What Read, Write and Finish do once interceptors have had their say.
  bool ReadMessage(MessageTarget target) ABSL_LOCKS_EXCLUDED(mutex_);
  bool WriteMessage(const MessageSource& message) ABSL_LOCKS_EXCLUDED(mutex_);
  void Respond(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  // Writes without waiting. There must be room.
  bool WriteNow(const MessageSource& message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The reader has taken a message of so many bytes.
  void Consumed(size_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Checks whether the handler's metadata may be sent.
  absl::Status CheckMetadata() const;
  // Adds the initial metadata to the first message, or to a frame of their own.
  void TakeInitialMetadata(SectionWriter& sections) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the call for its session. The client may use its id again.
  void Detach() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes the messages that the method's kind has.
  void MakeMessages();

  RegisteredMethod& method_;
  const uint16_t method_id_;
  std::shared_ptr<ServerSession> session_;
  ServedContext context_{*this};
  std::unique_ptr<google::protobuf::MessageLite> request_;
  std::unique_ptr<google::protobuf::MessageLite> reply_;
  size_t request_size_ = 0;  // bytes that request_ was parsed from
  std::optional<TaskQueue::TimerId> deadline_timer_;
  std::unique_ptr<Interception<InterceptedServerCall>> interception_;  // null: no interceptors
  bool send_seen_ = false;  // they have seen the reply that waits to be written

  Mutex& mutex_;  // the session's
  uint32_t id_ ABSL_GUARDED_BY(mutex_) = 0;
  CallState state_ ABSL_GUARDED_BY(mutex_);
  bool initial_sent_ ABSL_GUARDED_BY(mutex_) = false;
  bool counted_ ABSL_GUARDED_BY(mutex_) = false;   // in the session's handlers_
  int pins_ ABSL_GUARDED_BY(mutex_) = 0;           // others that use the call without the mutex
  bool orphaned_ ABSL_GUARDED_BY(mutex_) = false;  // the last of them gives it back to the session
  // Coroutines, by event.
  std::array<absl::AnyInvocable<void()>, kEvents> waiting_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::string> inbox_ ABSL_GUARDED_BY(mutex_);
  Window window_ ABSL_GUARDED_BY(mutex_);
  CondVar changed_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_SERVER_CALL_H_
