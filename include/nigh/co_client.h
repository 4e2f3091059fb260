#ifndef NIGH_CO_CLIENT_H_
#define NIGH_CO_CLIENT_H_

#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message_lite.h"
#include "nigh/async_stream.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/options.h"
#include "nigh/task.h"

namespace nigh {

namespace internal {

template <class Reply>
class ReadAwaiter final : public EventAwaiter<AsyncCall> {
 public:
  explicit ReadAwaiter(AsyncCall& call) : EventAwaiter<AsyncCall>(call, CallEvent::kMessage) {}
  std::optional<Reply> await_resume() const {
    std::optional<Reply> reply(std::in_place);
    if (!call_.TakeMessage(MessageTarget(&*reply))) reply.reset();
    return reply;
  }
};

class InitialMetadataAwaiter final : public EventAwaiter<AsyncCall> {
 public:
  explicit InitialMetadataAwaiter(AsyncCall& call)
      : EventAwaiter<AsyncCall>(call, CallEvent::kInitialMetadata) {}
  void await_resume() const {}
};

class StatusAwaiter final : public EventAwaiter<AsyncCall> {
 public:
  explicit StatusAwaiter(AsyncCall& call) : EventAwaiter<AsyncCall>(call, CallEvent::kEnd) {
    call.Discard();
  }
  absl::Status await_resume() const { return call_.TakeStatus(); }
};

template <class Reply>
class ReplyAwaiter final : public EventAwaiter<AsyncCall> {
 public:
  ReplyAwaiter(AsyncCall& call, Reply& reply)
      : EventAwaiter<AsyncCall>(call, CallEvent::kEnd), reply_(reply) {}
  absl::StatusOr<Reply> await_resume() const {
    absl::Status status = call_.TakeStatus();
    if (!status.ok()) return status;
    return std::move(reply_);
  }

 private:
  Reply& reply_;
};

using ClientWriteAwaiter = WriteAwaiter<AsyncCall, /*end*/ bool>;

}  // namespace internal

// A unary call that has begun. Awaiting it yields the reply. Destroying it before it is over
// cancels the call.
//
//   absl::StatusOr<HelloReply> reply = co_await greeter.CoSayHello(request);
//
//   auto one = greeter.CoSayHello(request);       // two at once
//   auto other = greeter.CoSayHello(request);
//   absl::StatusOr<HelloReply> first = co_await one, second = co_await other;
//
// If the coroutine need not wait, it goes on at once. Otherwise it goes on in the thread that
// serves the channel's callbacks (ChannelOptions::event_loop).
template <class Reply>
class [[nodiscard]] CoUnary final {
 public:
  CoUnary(BoundMethod method, const google::protobuf::MessageLite& request,
          const CallOptions& options)
      : CoUnary(NewAsyncCall(method, options), request) {}
  CoUnary(BoundMethod method, ClientContext& context, const google::protobuf::MessageLite& request)
      : CoUnary(NewAsyncCall(method, context), request) {}
  CoUnary(CoUnary&&) noexcept = default;
  CoUnary& operator=(CoUnary&& other) noexcept {
    std::swap(call_, other.call_);
    std::swap(reply_, other.reply_);
    return *this;
  }
  ~CoUnary() {
    if (call_ != nullptr) call_->Abandon();
  }

  // May be awaited once.
  internal::ReplyAwaiter<Reply> operator co_await() const { return {*call_, *reply_}; }

  // Ends the call with CANCELLED. Any thread.
  void TryCancel() { call_->Cancel(); }

 private:
  CoUnary(std::shared_ptr<AsyncCall> call, const google::protobuf::MessageLite& request)
      : call_(std::move(call)), reply_(std::make_unique<Reply>()) {
    call_->Expect(MessageTarget(reply_.get()));
    call_->Start(&request, /*end=*/true);
  }

  std::shared_ptr<AsyncCall> call_;
  std::unique_ptr<Reply> reply_;
};

// Client streams for coroutines. They are like the synchronous ones, with co_await before what may
// have to wait. A stream can be moved. Destroying one that is not finished cancels its call, also
// when that happens because the coroutine that holds it is destroyed. There may be one read and one
// write at a time.
class CoClientStreamBase {
 public:
  CoClientStreamBase(CoClientStreamBase&&) noexcept = default;
  CoClientStreamBase& operator=(CoClientStreamBase&& other) noexcept {
    std::swap(call_, other.call_);
    return *this;
  }
  ~CoClientStreamBase() {
    if (call_ != nullptr) call_->Abandon();
  }

  // Ends the call with CANCELLED. Any thread.
  void TryCancel() { call_->Cancel(); }

  // co_await waits until the server's initial metadata has arrived or the call is over.
  internal::InitialMetadataAwaiter WaitForInitialMetadata() {
    return internal::InitialMetadataAwaiter(*call_);
  }

  // The context that the caller gave, or else the stream's own.
  const ClientContext& context() const { return call_->context(); }

 protected:
  template <class Context>
  CoClientStreamBase(BoundMethod method, Context& context) : call_(NewAsyncCall(method, context)) {}

  AsyncCall& call() { return *call_; }

 private:
  std::shared_ptr<AsyncCall> call_;
};

// Receives the replies to one request.
//
//   nigh::CoClientReader<HelloReply> replies = greeter.CoLotsOfReplies(request);
//   while (std::optional<HelloReply> reply = co_await replies.Read()) { ... }
//   absl::Status status = co_await replies.Finish();
template <class Reply>
class CoClientReader final : public CoClientStreamBase {
 public:
  CoClientReader(BoundMethod method, const google::protobuf::MessageLite& request,
                 const CallOptions& options)
      : CoClientStreamBase(method, options) {
    call().Start(&request, /*end=*/true);
  }
  CoClientReader(BoundMethod method, ClientContext& context,
                 const google::protobuf::MessageLite& request)
      : CoClientStreamBase(method, context) {
    call().Start(&request, /*end=*/true);
  }

  // co_await yields the next reply. nullopt: there are no more, now or later.
  internal::ReadAwaiter<Reply> Read() { return internal::ReadAwaiter<Reply>(call()); }

  // co_await yields the call's status. Replies that were not read are dropped.
  internal::StatusAwaiter Finish() { return internal::StatusAwaiter(call()); }
};

// Sends many requests for one reply.
template <class Request, class Reply>
class CoClientWriter final : public CoClientStreamBase {
 public:
  template <class Context>
  CoClientWriter(BoundMethod method, Context& context)
      : CoClientStreamBase(method, context), reply_(std::make_unique<Reply>()) {
    call().Expect(MessageTarget(reply_.get()));
    call().Start(nullptr, /*end=*/false);
  }

  // co_await yields true when the request is on its way. False: the call is over, and Finish tells
  // why; or the sending side had ended. `request` must exist until then.
  internal::ClientWriteAwaiter Write(const Request& request) {
    return {call(), request, /*end=*/false};
  }
  // The same for the last request. Saves a frame.
  internal::ClientWriteAwaiter WriteLast(const Request& request) {
    return {call(), request, /*end=*/true};
  }
  // Ends the sending side. False: it had ended already, or the call is over.
  bool WritesDone() { return call().WritesDone(); }

  // Ends the sending side unless that is done. co_await yields the reply, or the error. May be
  // called once.
  internal::ReplyAwaiter<Reply> Finish() {
    WritesDone();
    return {call(), *reply_};
  }

 private:
  std::unique_ptr<Reply> reply_;  // stays where it is when the writer is moved
};

// Sends requests and receives replies, independently of each other.
template <class Request, class Reply>
class CoClientStream final : public CoClientStreamBase {
 public:
  template <class Context>
  CoClientStream(BoundMethod method, Context& context) : CoClientStreamBase(method, context) {
    call().Start(nullptr, /*end=*/false);
  }

  // As in CoClientWriter and CoClientReader.
  internal::ClientWriteAwaiter Write(const Request& request) {
    return {call(), request, /*end=*/false};
  }
  internal::ClientWriteAwaiter WriteLast(const Request& request) {
    return {call(), request, /*end=*/true};
  }
  bool WritesDone() { return call().WritesDone(); }
  internal::ReadAwaiter<Reply> Read() { return internal::ReadAwaiter<Reply>(call()); }
  internal::StatusAwaiter Finish() {
    WritesDone();
    return internal::StatusAwaiter(call());
  }
};

}  // namespace nigh

#endif  // NIGH_CO_CLIENT_H_
