#ifndef NIGH_CO_SERVICE_H_
#define NIGH_CO_SERVICE_H_

// The four kinds of handlers that are coroutines, for generated CoService classes:
//
//   class GreeterImpl final : public helloworld::Greeter::CoService {
//     nigh::Task<absl::Status> BidiHello(
//         nigh::ServerContext& context,
//         nigh::CoServerStream<HelloRequest, HelloReply>& stream) override {
//       while (std::optional<HelloRequest> request = co_await stream.Read()) {
//         HelloReply reply = ...;
//         if (!co_await stream.Write(reply)) break;
//       }
//       co_return absl::OkStatus();
//     }
//   };
//
// A handler begins on the poller that read its request. When it has waited for its client, it goes
// on there, as one of the poller's tasks. After another co_await, it goes on wherever that resumes
// it. While it waits it has no thread. It runs in one thread at a time, so it needs no lock for
// what only it uses. It may use its parameters until it is done.
//
// A handler that blocks holds others up for about 2 ms each time, and needs a thread from
// then on.
//
// A handler is never destroyed before it is done. When its client leaves, reads yield nullopt,
// writes yield false, calls made from its context end, and the callback of
// ServerContext::SetCancelCallback runs.

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "nigh/message_io.h"
#include "nigh/server_context.h"
#include "nigh/server_stream.h"
#include "nigh/service.h"
#include "nigh/task.h"

namespace nigh {

namespace internal {

// Resumes a handler when a request, or the end, has come.
template <class Request>
class ServerReadAwaiter final : public EventAwaiter<HandlerCall> {
 public:
  explicit ServerReadAwaiter(HandlerCall& call)
      : EventAwaiter<HandlerCall>(call, HandlerCall::Event::kMessage) {}
  std::optional<Request> await_resume() const {
    std::optional<Request> request(std::in_place);
    if (!call_.Read(MessageTarget(&*request))) request.reset();
    return request;
  }
};

using ServerWriteAwaiter = WriteAwaiter<HandlerCall>;

}  // namespace internal

// The streams that coroutine handlers get. They are like ServerReader, ServerWriter and
// ServerStream, with co_await before what may have to wait; a wait needs no thread. A stream
// belongs to the handler's call and ends with it. There may be one read and one write at a time.

// Receives the requests of one call.
template <class Request>
class CoServerReader final {
 public:
  explicit CoServerReader(HandlerCall& call) : call_(call) {}

  // co_await yields the next request. nullopt: the client has sent its last one, or the call is
  // cancelled; ServerContext::IsCancelled tells which.
  internal::ServerReadAwaiter<Request> Read() {
    return internal::ServerReadAwaiter<Request>(call_);
  }

 private:
  HandlerCall& call_;
};

// Sends the replies of one call.
template <class Reply>
class CoServerWriter final {
 public:
  explicit CoServerWriter(HandlerCall& call) : call_(call) {}

  // co_await yields true when the reply is on its way; this takes a while if the client is too far
  // behind. False: the call is cancelled or over, and nobody will read any further reply. `reply`
  // must exist until then.
  internal::ServerWriteAwaiter Write(const Reply& reply) { return {call_, reply}; }

  // Sends the initial metadata now instead of with the first reply.
  void SendInitialMetadata() { call_.SendInitialMetadata(); }

 private:
  HandlerCall& call_;
};

// Receives requests and sends replies, independently of each other.
template <class Request, class Reply>
class CoServerStream final {
 public:
  explicit CoServerStream(HandlerCall& call) : reader_(call), writer_(call) {}

  internal::ServerReadAwaiter<Request> Read() { return reader_.Read(); }
  internal::ServerWriteAwaiter Write(const Reply& reply) { return writer_.Write(reply); }
  void SendInitialMetadata() { writer_.SendInitialMetadata(); }

 private:
  CoServerReader<Request> reader_;
  CoServerWriter<Reply> writer_;
};

namespace internal {

struct CoroutineHandler {
  // NOLINTNEXTLINE(readability-identifier-naming): where others have a function.
  static constexpr absl::Status (*Run)(Service&, const HandlerArguments&) = nullptr;
};

template <class S, class Request, class Reply,
          Task<absl::Status> (S::*Member)(ServerContext&, const Request&, Reply*)>
struct Handler<Member> : CoroutineHandler {
  static constexpr MethodHandler::NewMessage kNewRequest = NewMessage<Request>;
  static constexpr MethodHandler::NewMessage kNewReply = NewMessage<Reply>;
  static Task<absl::Status> CoRun(Service& service, HandlerArguments arguments) {
    return (static_cast<S&>(service).*Member)(arguments.context,
                                              static_cast<const Request&>(*arguments.request),
                                              static_cast<Reply*>(arguments.reply));
  }
};

template <class S, class Request, class Reply,
          Task<absl::Status> (S::*Member)(ServerContext&, const Request&, CoServerWriter<Reply>&)>
struct Handler<Member> : CoroutineHandler {
  static constexpr MethodHandler::NewMessage kNewRequest = NewMessage<Request>;
  static constexpr MethodHandler::NewMessage kNewReply = nullptr;
  static Task<absl::Status> CoRun(Service& service, HandlerArguments arguments) {
    CoServerWriter<Reply> replies(arguments.call);
    const Task<absl::Status> handler = (static_cast<S&>(service).*Member)(
        arguments.context, static_cast<const Request&>(*arguments.request), replies);
    co_return co_await handler;
  }
};

template <class S, class Request, class Reply,
          Task<absl::Status> (S::*Member)(ServerContext&, CoServerReader<Request>&, Reply*)>
struct Handler<Member> : CoroutineHandler {
  static constexpr MethodHandler::NewMessage kNewRequest = nullptr;
  static constexpr MethodHandler::NewMessage kNewReply = NewMessage<Reply>;
  static Task<absl::Status> CoRun(Service& service, HandlerArguments arguments) {
    CoServerReader<Request> requests(arguments.call);
    const Task<absl::Status> handler = (static_cast<S&>(service).*Member)(
        arguments.context, requests, static_cast<Reply*>(arguments.reply));
    co_return co_await handler;
  }
};

template <class S, class Request, class Reply,
          Task<absl::Status> (S::*Member)(ServerContext&, CoServerStream<Request, Reply>&)>
struct Handler<Member> : CoroutineHandler {
  static constexpr MethodHandler::NewMessage kNewRequest = nullptr;
  static constexpr MethodHandler::NewMessage kNewReply = nullptr;
  static Task<absl::Status> CoRun(Service& service, HandlerArguments arguments) {
    CoServerStream<Request, Reply> stream(arguments.call);
    const Task<absl::Status> handler =
        (static_cast<S&>(service).*Member)(arguments.context, stream);
    co_return co_await handler;
  }
};

}  // namespace internal
}  // namespace nigh

#endif  // NIGH_CO_SERVICE_H_
