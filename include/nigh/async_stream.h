#ifndef NIGH_ASYNC_STREAM_H_
#define NIGH_ASYNC_STREAM_H_

#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message_lite.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/runtime/client/async_call.h"
#include "nigh/runtime/client/client_call.h"

namespace nigh {

// Is told how a call has ended.
using DoneCallback = absl::AnyInvocable<void(absl::Status)>;

// Client streams with callbacks. No function of theirs blocks; each calls back later, in the thread
// that serves the channel's callbacks (ChannelOptions::event_loop), one callback at a time, with no
// lock held: it may call, cancel, destroy the stream or the channel, but should not block for long.
//
// Destroying a stream cancels its call, if that is not over; its callbacks do not run any more, and
// one that is just running in another thread is waited for. A stream may be moved. One read, one
// write and one Finish at a time.
class AsyncClientStreamBase {
 public:
  using Done = AsyncCall::Done;

  AsyncClientStreamBase(AsyncClientStreamBase&&) noexcept = default;
  AsyncClientStreamBase& operator=(AsyncClientStreamBase&& other) noexcept {
    std::swap(call_, other.call_);
    return *this;
  }
  ~AsyncClientStreamBase() {
    if (call_ != nullptr) call_->Abandon();
  }

  // Ends the call with CANCELLED. Any thread.
  void TryCancel() { call_->Cancel(); }

  // Calls back when the server's initial metadata are there, or the call is over.
  void WaitForInitialMetadata(absl::AnyInvocable<void()> done) {
    call_->WaitForInitialMetadata(std::move(done));
  }

 protected:
  AsyncClientStreamBase(BoundMethod method, ClientContext& context)
      : call_(std::make_shared<AsyncCall>(method, context)) {}

  AsyncCall& call() { return *call_; }

 private:
  std::shared_ptr<AsyncCall> call_;
};

// Receives the replies to one request.
template <class Reply>
class AsyncClientReader final : public AsyncClientStreamBase {
 public:
  AsyncClientReader(BoundMethod method, ClientContext& context,
                    const google::protobuf::MessageLite& request)
      : AsyncClientStreamBase(method, context) {
    call().Start(&request, /*end=*/true);
  }

  // `done` is told whether `reply`, which must stay until then, holds another reply. False: there
  // are no more.
  void Read(Reply* reply, Done done) { call().Read(MessageTarget(reply), std::move(done)); }

  // `done` is told how the call has ended; replies that were not read are dropped.
  void Finish(DoneCallback done) { call().Finish(std::move(done)); }
};

// Sends many requests for one reply.
template <class Request, class Reply>
class AsyncClientWriter final : public AsyncClientStreamBase {
 public:
  AsyncClientWriter(BoundMethod method, ClientContext& context)
      : AsyncClientStreamBase(method, context), reply_(std::make_shared<Reply>()) {
    call().Expect(MessageTarget(reply_.get()));
    call().Start(nullptr, /*end=*/false);
  }

  // `done` is told true when the request is on its way and the next may be written. False: the call
  // is over, Finish tells why; or there were to be no more. `request` need not stay.
  void Write(const Request& request, Done done) {
    call().Write(request, /*end=*/false, std::move(done));
  }
  // The same, and there will be no more: saves a frame.
  void WriteLast(const Request& request, Done done) {
    call().Write(request, /*end=*/true, std::move(done));
  }
  // Not while a Write is under way.
  bool WritesDone() { return call().WritesDone(); }

  // Ends the sending side if that has not been done; `done` is told the reply. Once.
  void Finish(absl::AnyInvocable<void(absl::StatusOr<Reply>)> done) {
    WritesDone();
    call().Finish([reply = reply_, done = std::move(done)](absl::Status status) mutable {
      if (!status.ok()) return done(std::move(status));
      done(std::move(*reply));
    });
  }

 private:
  std::shared_ptr<Reply> reply_;
};

// Sends and receives, each in its own time.
template <class Request, class Reply>
class AsyncClientStream final : public AsyncClientStreamBase {
 public:
  AsyncClientStream(BoundMethod method, ClientContext& context)
      : AsyncClientStreamBase(method, context) {
    call().Start(nullptr, /*end=*/false);
  }

  // As AsyncClientWriter's and AsyncClientReader's.
  void Write(const Request& request, Done done) {
    call().Write(request, /*end=*/false, std::move(done));
  }
  void WriteLast(const Request& request, Done done) {
    call().Write(request, /*end=*/true, std::move(done));
  }
  bool WritesDone() { return call().WritesDone(); }
  void Read(Reply* reply, Done done) { call().Read(MessageTarget(reply), std::move(done)); }
  void Finish(DoneCallback done) {
    WritesDone();
    call().Finish(std::move(done));
  }
};

namespace internal {

// What a stub's AsyncX does: sends `request`; `done` is told how the call has ended, with `reply`
// filled if it was well.
inline void CallAsync(BoundMethod method, ClientContext& context,
                      const google::protobuf::MessageLite& request,
                      google::protobuf::MessageLite* reply, DoneCallback done) {
  const auto call = std::make_shared<AsyncCall>(method, context);
  call->Expect(MessageTarget(reply));
  call->Start(&request, /*end=*/true);
  call->Finish(std::move(done));
}

}  // namespace internal
}  // namespace nigh

#endif  // NIGH_ASYNC_STREAM_H_
