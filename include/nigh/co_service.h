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
// A handler begins on the poller that read its request and goes on there, as one of its tasks, when
// what it awaited from its client has come; after another co_await, wherever that resumes it. It
// has no thread while it waits. Nor does it need a lock for what only it uses: it runs in one
// thread at a time. It may use the parameters until it is done. One that blocks holds others up for
// a millisecond each time, and needs a thread then.
//
// A handler is never destroyed before it is done: when its client leaves, reads give nothing,
// writes false, calls made from its context end, and ServerContext::SetCancelCallback tells.

#include "absl/status/status.h"
#include "nigh/co_server_stream.h"
#include "nigh/runtime/server/server_call.h"
#include "nigh/server_context.h"
#include "nigh/service.h"
#include "nigh/task.h"

namespace nigh::internal {

struct CoroutineHandler {
  // NOLINTNEXTLINE(readability-identifier-naming): where others have a function.
  static constexpr absl::Status (*Run)(Service&, ServerCall&) = nullptr;
};

template <class S, class Request, class Reply,
          Task<absl::Status> (S::*Member)(ServerContext&, const Request&, Reply*)>
struct Handler<Member> : CoroutineHandler {
  static constexpr MethodHandler::NewMessage kNewRequest = NewMessage<Request>;
  static constexpr MethodHandler::NewMessage kNewReply = NewMessage<Reply>;
  static Task<absl::Status> CoRun(Service& service, ServerCall& call) {
    return (static_cast<S&>(service).*Member)(call.context(),
                                              static_cast<const Request&>(*call.request()),
                                              static_cast<Reply*>(call.reply()));
  }
};

template <class S, class Request, class Reply,
          Task<absl::Status> (S::*Member)(ServerContext&, const Request&, CoServerWriter<Reply>&)>
struct Handler<Member> : CoroutineHandler {
  static constexpr MethodHandler::NewMessage kNewRequest = NewMessage<Request>;
  static constexpr MethodHandler::NewMessage kNewReply = nullptr;
  static Task<absl::Status> CoRun(Service& service, ServerCall& call) {
    CoServerWriter<Reply> replies(call);
    const Task<absl::Status> handler = (static_cast<S&>(service).*Member)(
        call.context(), static_cast<const Request&>(*call.request()), replies);
    co_return co_await handler;
  }
};

template <class S, class Request, class Reply,
          Task<absl::Status> (S::*Member)(ServerContext&, CoServerReader<Request>&, Reply*)>
struct Handler<Member> : CoroutineHandler {
  static constexpr MethodHandler::NewMessage kNewRequest = nullptr;
  static constexpr MethodHandler::NewMessage kNewReply = NewMessage<Reply>;
  static Task<absl::Status> CoRun(Service& service, ServerCall& call) {
    CoServerReader<Request> requests(call);
    const Task<absl::Status> handler = (static_cast<S&>(service).*Member)(
        call.context(), requests, static_cast<Reply*>(call.reply()));
    co_return co_await handler;
  }
};

template <class S, class Request, class Reply,
          Task<absl::Status> (S::*Member)(ServerContext&, CoServerStream<Request, Reply>&)>
struct Handler<Member> : CoroutineHandler {
  static constexpr MethodHandler::NewMessage kNewRequest = nullptr;
  static constexpr MethodHandler::NewMessage kNewReply = nullptr;
  static Task<absl::Status> CoRun(Service& service, ServerCall& call) {
    CoServerStream<Request, Reply> stream(call);
    const Task<absl::Status> handler = (static_cast<S&>(service).*Member)(call.context(), stream);
    co_return co_await handler;
  }
};

}  // namespace nigh::internal

#endif  // NIGH_CO_SERVICE_H_
