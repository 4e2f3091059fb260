#ifndef NIGH_SERVICE_H_
#define NIGH_SERVICE_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "google/protobuf/message_lite.h"
#include "nigh/method.h"
#include "nigh/server_context.h"
#include "nigh/server_stream.h"

namespace nigh {

class Service;
template <class T>
class Task;

// What a handler is called with: for a stream its call, else its messages.
struct HandlerArguments {
  ServerContext& context;
  const google::protobuf::MessageLite* request;  // null where requests are a stream
  google::protobuf::MessageLite* reply;          // null where replies are
  HandlerCall& call;
};

// How a server runs one method of one service: what generated code knows with its types, without
// them.
struct MethodHandler {
  using NewMessage = std::unique_ptr<google::protobuf::MessageLite> (*)();

  const Method* method;
  Service* service;
  NewMessage new_request;  // null where requests are a stream
  NewMessage new_reply;    // null where replies are
  // One of the two: a function, or a coroutine.
  absl::Status (*run)(Service& service, const HandlerArguments& arguments);
  Task<absl::Status> (*co_run)(Service& service, HandlerArguments arguments);
};

// The base of every generated Service class. Its methods are called by many threads at once.
class Service {
 public:
  virtual ~Service() = default;
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  absl::Span<const MethodHandler> handlers() const { return handlers_; }

 protected:
  Service() = default;

  // For generated constructors: `Member`, a pointer to one of the four kinds of method or of
  // coroutine (co_service.h), serves `method`.
  template <auto Member>
  void Handle(const Method& method);

 private:
  std::vector<MethodHandler> handlers_;
};

namespace internal {

template <class Message>
std::unique_ptr<google::protobuf::MessageLite> NewMessage() {
  return std::make_unique<Message>();
}

// One specialisation a kind of method, told apart by the member's type: how to run it, and the
// messages that are there from its beginning to its end.
template <auto Member>
struct Handler;

struct FunctionHandler {
  // NOLINTNEXTLINE(readability-identifier-naming): where others have a function.
  static constexpr Task<absl::Status> (*CoRun)(Service&, HandlerArguments) = nullptr;
};

template <class S, class Request, class Reply,
          absl::Status (S::*Member)(ServerContext&, const Request&, Reply*)>
struct Handler<Member> : FunctionHandler {
  static constexpr MethodHandler::NewMessage kNewRequest = NewMessage<Request>;
  static constexpr MethodHandler::NewMessage kNewReply = NewMessage<Reply>;
  static absl::Status Run(Service& service, const HandlerArguments& arguments) {
    return (static_cast<S&>(service).*Member)(arguments.context,
                                              static_cast<const Request&>(*arguments.request),
                                              static_cast<Reply*>(arguments.reply));
  }
};

template <class S, class Request, class Reply,
          absl::Status (S::*Member)(ServerContext&, const Request&, ServerWriter<Reply>&)>
struct Handler<Member> : FunctionHandler {
  static constexpr MethodHandler::NewMessage kNewRequest = NewMessage<Request>;
  static constexpr MethodHandler::NewMessage kNewReply = nullptr;
  static absl::Status Run(Service& service, const HandlerArguments& arguments) {
    ServerWriter<Reply> replies(arguments.call);
    return (static_cast<S&>(service).*Member)(
        arguments.context, static_cast<const Request&>(*arguments.request), replies);
  }
};

template <class S, class Request, class Reply,
          absl::Status (S::*Member)(ServerContext&, ServerReader<Request>&, Reply*)>
struct Handler<Member> : FunctionHandler {
  static constexpr MethodHandler::NewMessage kNewRequest = nullptr;
  static constexpr MethodHandler::NewMessage kNewReply = NewMessage<Reply>;
  static absl::Status Run(Service& service, const HandlerArguments& arguments) {
    ServerReader<Request> requests(arguments.call);
    return (static_cast<S&>(service).*Member)(arguments.context, requests,
                                              static_cast<Reply*>(arguments.reply));
  }
};

template <class S, class Request, class Reply,
          absl::Status (S::*Member)(ServerContext&, ServerStream<Request, Reply>&)>
struct Handler<Member> : FunctionHandler {
  static constexpr MethodHandler::NewMessage kNewRequest = nullptr;
  static constexpr MethodHandler::NewMessage kNewReply = nullptr;
  static absl::Status Run(Service& service, const HandlerArguments& arguments) {
    ServerStream<Request, Reply> stream(arguments.call);
    return (static_cast<S&>(service).*Member)(arguments.context, stream);
  }
};

}  // namespace internal

template <auto Member>
void Service::Handle(const Method& method) {
  using Handler = internal::Handler<Member>;
  handlers_.push_back({.method = &method,
                       .service = this,
                       .new_request = Handler::kNewRequest,
                       .new_reply = Handler::kNewReply,
                       .run = Handler::Run,
                       .co_run = Handler::CoRun});
}

}  // namespace nigh

#endif  // NIGH_SERVICE_H_
