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
#include "nigh/runtime/loop/task_queue.h"
#include "nigh/server_context.h"

namespace nigh {

class InterceptedServerCall;
struct MethodHandler;
class RegisteredMethod;
class RunningTask;
class ServerSession;
template <class Call>
class Interception;

// One call of any kind, as its server sees it: the type-erased machine below handlers and their
// streams. Owned by whoever runs its handler; its session knows of it until it is over.
class ServerCall {
 public:
  // What a handler waits for. A call that is over ends every wait.
  enum class Event { kMessage, kRoom };

  ServerCall(std::shared_ptr<ServerSession> session, RegisteredMethod& method, uint16_t method_id);
  ServerCall(const ServerCall&) = delete;
  ServerCall& operator=(const ServerCall&) = delete;
  ~ServerCall();

  // For the handler.
  ServerContext& context() { return context_; }
  const google::protobuf::MessageLite* request() const { return request_.get(); }
  google::protobuf::MessageLite* reply() const { return reply_.get(); }
  bool Read(MessageTarget target);
  bool Write(MessageSource message);
  void SendInitialMetadata();
  // Whether exactly one request is left to read and no more will come.
  bool HasSoleRequest() const;
  // Sends the response; the one that comes first counts.
  void Finish(absl::Status status);

  // For the handler that is a coroutine, what the above are made of. When: `callback` runs in the
  // role of the session's poller once `event` has come, so that Read or TryWrite need not wait.
  // TryWrite: nothing, where it would have to.
  bool Ready(Event event) const;
  void When(Event event, absl::AnyInvocable<void()> callback);
  std::optional<bool> TryWrite(MessageSource message);

  // Runs the handler, sends the response, and gives the call back to its session: all of it here
  // and now, or as far as the coroutine gets, and the rest when it is resumed.
  static void Serve(std::unique_ptr<ServerCall> call);

  // Has a deadline that passes cancel the call by itself. From the handler.
  void WatchDeadline();

  RegisteredMethod& method() const { return method_; }
  ServerSession& session() const { return *session_; }

 private:
  friend class ServerSession;

  static constexpr int kEvents = 2;

  // OK, or what a call that is over before its handler runs is answered.
  absl::Status ReadyToRun() const;
  // Interceptors first. Nothing: the handler is to run. Otherwise what the call ends with instead.
  std::optional<absl::Status> Begin();
  absl::Status RunHandler();
  static RunningTask ServeCoroutine(std::unique_ptr<ServerCall> call);

  // What interceptors have to do with it. False: they have rejected the call.
  bool PassSend(const MessageSource& message);
  bool EndRejected();
  // Sends the replies of the one that has answered the call.
  absl::Status SendAnswer();

  // Makes a call that is over ready for another request of its method, its messages' memory kept.
  void Renew();

  RegisteredMethod& method_;
  const uint16_t method_id_;
  std::shared_ptr<ServerSession> session_;
  ServerContext context_;
  std::unique_ptr<google::protobuf::MessageLite> request_;
  std::unique_ptr<google::protobuf::MessageLite> reply_;
  size_t request_size_ = 0;  // bytes; of what lies in request_
  std::optional<TaskQueue::TimerId> deadline_timer_;
  std::unique_ptr<Interception<InterceptedServerCall>> interception_;  // null: no interceptors
  bool send_seen_ = false;  // they know of the reply that waits to be written

  // Guarded by the session's mutex.
  uint32_t id_ = 0;
  CallState state_;
  bool initial_sent_ = false;
  bool counted_ = false;   // among the session's handlers_
  int pins_ = 0;           // others who still use the call without the mutex
  bool orphaned_ = false;  // the last of them gives it back to its session
  std::array<absl::AnyInvocable<void()>, kEvents> waiting_;  // coroutines, by event
  std::deque<std::string> inbox_;
  int64_t credit_ = 0;     // bytes that may be sent
  int64_t allowance_ = 0;  // bytes that the client may send
  uint64_t consumed_ = 0;  // bytes read and not yet granted anew
  CondVar changed_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_SERVER_CALL_H_
