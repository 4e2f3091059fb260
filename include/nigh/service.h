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

// What a handler is called with. A message that travels as a stream is read or written through
// `call`; a single one is here.
struct HandlerArguments {
  ServerContext& context;
  const google::protobuf::MessageLite* request;  // null where requests are a stream
  google::protobuf::MessageLite* reply;          // null where replies are
  HandlerCall& call;
};

// How a server runs one method of one service. Generated code knows the types; here they are
// erased.
struct MethodHandler {
  using NewMessage = std::unique_ptr<google::protobuf::MessageLite> (*)();

  const Method* method;
  Service* service;
  NewMessage new_request;  // null where requests are a stream
  NewMessage new_reply;    // null where replies are
  // How to run it: a function or a coroutine. The other is null.
  absl::Status (*run)(Service& service, const HandlerArguments& arguments);
  Task<absl::Status> (*co_run)(Service& service, HandlerArguments arguments);
};

// The base class of every generated Service class. Many threads call its methods at once.
class Service {
 public:
  virtual ~Service() = default;
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  absl::Span<const MethodHandler> handlers() const { return handlers_; }

 protected:
  Service() = default;

  // For generated constructors. `Member` serves `method`: a pointer to a member function, or to a
  // coroutine (co_service.h), of one of the four kinds of method.
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

// How to run a handler, and how to make the messages that exist for its whole run. One
// specialisation for each kind of method, chosen by the member's type.
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
