#ifndef NIGH_SERVER_CALL_H_
#define NIGH_SERVER_CALL_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "google/protobuf/message_lite.h"
#include "nigh/base/mutex.h"
#include "nigh/call_state.h"
#include "nigh/message_io.h"
#include "nigh/server_context.h"

namespace nigh {

struct MethodHandler;
class RegisteredMethod;
class ServerSession;

// One call of any kind, as its server sees it: the type-erased machine below handlers and their
// streams. Owned by whoever runs its handler; its session knows of it until it is over.
class ServerCall {
 public:
  ServerCall(std::shared_ptr<ServerSession> session, RegisteredMethod& method, uint16_t method_id);
  ServerCall(const ServerCall&) = delete;
  ServerCall& operator=(const ServerCall&) = delete;

  // For the handler.
  ServerContext& context() { return context_; }
  const google::protobuf::MessageLite* request() const { return request_.get(); }
  google::protobuf::MessageLite* reply() const { return reply_.get(); }
  bool Read(MessageTarget target);
  bool Write(const google::protobuf::MessageLite& message);
  void SendInitialMetadata();

  // Runs the handler and sends the response. Afterwards the session has forgotten the call.
  void Run();

  // Has a deadline that passes cancel the call by itself. From the handler.
  void WatchDeadline();

  RegisteredMethod& method() const { return method_; }
  ServerSession& session() const { return *session_; }

 private:
  friend class ServerSession;

  // Makes a call that is over ready for another request of its method, its messages' memory kept.
  void Renew();

  RegisteredMethod& method_;
  const uint16_t method_id_;
  std::shared_ptr<ServerSession> session_;
  ServerContext context_;
  std::unique_ptr<google::protobuf::MessageLite> request_;
  std::unique_ptr<google::protobuf::MessageLite> reply_;
  size_t request_size_ = 0;  // bytes; of what lies in request_

  // Guarded by the session's mutex.
  uint32_t id_ = 0;
  CallState state_;
  bool initial_sent_ = false;
  int pins_ = 0;  // others who still use the call without the mutex
  uint64_t deadline_timer_ = 0;
  std::deque<std::string> inbox_;
  int64_t credit_ = 0;     // bytes that may be sent
  int64_t allowance_ = 0;  // bytes that the client may send
  uint64_t consumed_ = 0;  // bytes read and not yet granted anew
  CondVar changed_;
};

}  // namespace nigh

#endif  // NIGH_SERVER_CALL_H_
