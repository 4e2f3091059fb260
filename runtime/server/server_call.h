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
#include "nigh/server_stream.h"

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
class ServerCall final : public HandlerCall {
 public:
  ServerCall(std::shared_ptr<ServerSession> session, RegisteredMethod& method, uint16_t method_id);
  ~ServerCall();

  // For the handler; see HandlerCall.
  bool Read(MessageTarget target) override;
  bool Write(MessageSource message) override;
  void SendInitialMetadata() override;
  bool HasSoleRequest() const override;
  void Finish(absl::Status status) override;
  void Abort(const absl::Status& status) override;
  void WatchDeadline() override;
  bool Ready(Event event) const override;
  void When(Event event, absl::AnyInvocable<void()> callback) override;
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

  // Makes a call that is over ready for another request of its method. Its messages keep their
  // memory.
  void Renew();

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

  // Guarded by the session's mutex.
  uint32_t id_ = 0;
  CallState state_;
  bool initial_sent_ = false;
  bool counted_ = false;   // in the session's handlers_
  int pins_ = 0;           // others that use the call without the mutex
  bool orphaned_ = false;  // the last of them gives it back to the session
  std::array<absl::AnyInvocable<void()>, kEvents> waiting_;  // coroutines, by event
  std::deque<std::string> inbox_;
  Window window_;
  CondVar changed_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_SERVER_CALL_H_
