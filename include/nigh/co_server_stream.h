#ifndef NIGH_CO_SERVER_STREAM_H_
#define NIGH_CO_SERVER_STREAM_H_

#include <coroutine>
#include <optional>

#include "google/protobuf/message_lite.h"
#include "nigh/message_io.h"
#include "nigh/runtime/server/server_call.h"

namespace nigh {

namespace internal {

// Resumes a handler when a request, or the end, has come.
template <class Request>
class ServerReadAwaiter final {
 public:
  explicit ServerReadAwaiter(ServerCall& call) : call_(call) {}
  bool await_ready() const { return call_.Ready(ServerCall::Event::kMessage); }
  void await_suspend(std::coroutine_handle<> coroutine) const {
    // It may be running elsewhere already when this returns.
    call_.When(ServerCall::Event::kMessage, [coroutine] { coroutine.resume(); });
  }
  std::optional<Request> await_resume() const {
    std::optional<Request> request(std::in_place);
    if (!call_.Read(MessageTarget(&*request))) request.reset();
    return request;
  }

 private:
  ServerCall& call_;
};

// Resumes a handler when its reply is on its way.
class ServerWriteAwaiter final {
 public:
  ServerWriteAwaiter(ServerCall& call, const google::protobuf::MessageLite& reply)
      : call_(call), reply_(reply) {}
  bool await_ready() {
    written_ = call_.TryWrite(MessageSource(reply_));
    return written_.has_value();
  }
  void await_suspend(std::coroutine_handle<> coroutine) {
    call_.When(ServerCall::Event::kRoom, [this, coroutine] {
      // Others may have used the room up meanwhile.
      if (!await_ready()) return await_suspend(coroutine);
      coroutine.resume();
    });
  }
  bool await_resume() const { return *written_; }

 private:
  ServerCall& call_;
  const google::protobuf::MessageLite& reply_;
  std::optional<bool> written_;
};

}  // namespace internal

// The streams that coroutine handlers get: as ServerReader, ServerWriter and ServerStream, with
// co_await before what may have to wait, for which no thread is needed. They belong to the
// handler's call and end with it. One read and one write at a time.

// Receives the requests of one call.
template <class Request>
class CoServerReader final {
 public:
  explicit CoServerReader(ServerCall& call) : call_(call) {}

  // co_await: the next request. Nothing: the client has said that there are no more, or the call is
  // cancelled; ServerContext::IsCancelled tells which.
  internal::ServerReadAwaiter<Request> Read() {
    return internal::ServerReadAwaiter<Request>(call_);
  }

 private:
  ServerCall& call_;
};

// Sends the replies of one call.
template <class Reply>
class CoServerWriter final {
 public:
  explicit CoServerWriter(ServerCall& call) : call_(call) {}

  // co_await: true when the reply is on its way, which takes a while when the client is too far
  // behind. False: the call is cancelled or over; nobody will read what is written from now on.
  // `reply` must stay until then.
  internal::ServerWriteAwaiter Write(const Reply& reply) { return {call_, reply}; }

  // Sends the initial metadata now instead of with the first reply.
  void SendInitialMetadata() { call_.SendInitialMetadata(); }

 private:
  ServerCall& call_;
};

// Both.
template <class Request, class Reply>
class CoServerStream final {
 public:
  explicit CoServerStream(ServerCall& call) : reader_(call), writer_(call) {}

  internal::ServerReadAwaiter<Request> Read() { return reader_.Read(); }
  internal::ServerWriteAwaiter Write(const Reply& reply) { return writer_.Write(reply); }
  void SendInitialMetadata() { writer_.SendInitialMetadata(); }

 private:
  CoServerReader<Request> reader_;
  CoServerWriter<Reply> writer_;
};

}  // namespace nigh

#endif  // NIGH_CO_SERVER_STREAM_H_
