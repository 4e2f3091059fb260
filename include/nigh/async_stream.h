#ifndef NIGH_ASYNC_STREAM_H_
#define NIGH_ASYNC_STREAM_H_

#include <memory>
#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message_lite.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/options.h"

namespace nigh {

// What a caller waits for. A call that is over ends every wait.
// kRoom: a message may be written; kLeft: what was written has left.
enum class CallEvent { kMessage, kInitialMetadata, kRoom, kLeft, kEnd };
inline constexpr int kCallEvents = 5;

// One call of any kind for which nobody waits in a thread: the type-erased machine below callbacks
// and coroutines. Nothing in here blocks.
//
// Callbacks run in the role of the channel's poller, one at a time, with no lock held: never inside
// the function that they were given to. They may do anything, but should not block for long. One
// operation of each kind at a time: a read, a write, a wait for initial metadata, and the end.
class AsyncCall {
 public:
  using Event = CallEvent;
  using Done = absl::AnyInvocable<void(bool ok)>;

  AsyncCall(const AsyncCall&) = delete;
  AsyncCall& operator=(const AsyncCall&) = delete;

  virtual ClientContext& context() = 0;

  // Where the first message is to go, when it can be said in advance: parsed in place, with no
  // copy. Before Start.
  virtual void Expect(MessageTarget target) = 0;
  // Opens the call, with its first message if there is one. `end`: no more will follow. The
  // message, as those to Write, need not outlive the function.
  virtual void Start(const google::protobuf::MessageLite* first, bool end) = 0;
  virtual void Cancel() = 0;

  // `target` is filled when `done` is told true.
  virtual void Read(MessageTarget target, Done done) = 0;
  virtual void Write(const google::protobuf::MessageLite& message, bool end, Done done) = 0;
  // False: it had ended. Not while a Write is under way.
  virtual bool WritesDone() = 0;
  virtual void WaitForInitialMetadata(absl::AnyInvocable<void()> done) = 0;
  virtual void Finish(absl::AnyInvocable<void(absl::Status)> done) = 0;

  // Cancels the call if it is not over. No callback runs after this; if one is running in another
  // thread, waits until it has.
  virtual void Abandon() = 0;

  // What the above are made of, for coroutines. When: `callback` runs once `event` has come; the
  // Take of that event must not be asked for before. TryWrite: nothing, where it would have to
  // wait.
  virtual bool Ready(CallEvent event) = 0;
  virtual void When(CallEvent event, absl::AnyInvocable<void()> callback) = 0;
  virtual std::optional<bool> TryWrite(const google::protobuf::MessageLite& message, bool end) = 0;
  virtual bool TakeMessage(MessageTarget target) = 0;
  virtual absl::Status TakeStatus() = 0;
  // Nobody will read any more: to be called before the wait for the end.
  virtual void Discard() = 0;

 protected:
  AsyncCall() = default;
  ~AsyncCall() = default;
};

// A call that has not begun. `context` must outlive it: until Finish has called back, or Abandon.
std::shared_ptr<AsyncCall> NewAsyncCall(BoundMethod method, ClientContext& context);
std::shared_ptr<AsyncCall> NewAsyncCall(BoundMethod method, const CallOptions& options);

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
      : call_(NewAsyncCall(method, context)) {}

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
  const auto call = NewAsyncCall(method, context);
  call->Expect(MessageTarget(reply));
  call->Start(&request, /*end=*/true);
  call->Finish(std::move(done));
}

}  // namespace internal
}  // namespace nigh

#endif  // NIGH_ASYNC_STREAM_H_
