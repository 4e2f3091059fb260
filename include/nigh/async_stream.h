#ifndef NIGH_ASYNC_STREAM_H_
#define NIGH_ASYNC_STREAM_H_

#include <memory>
#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message_lite.h"
#include "nigh/api.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/options.h"

namespace nigh {

// What a caller can wait for. The end of the call ends every wait. kRoom: a message may be written.
// kLeft: what was written has left.
enum class CallEvent { kMessage, kInitialMetadata, kRoom, kLeft, kEnd };
inline constexpr int kCallEvents = 5;

// One call of any kind for which no thread waits. This is the type-erased machine below callbacks
// and coroutines. Nothing in it blocks.
//
// Callbacks run in the role of the channel's poller, one at a time, with no lock held. A callback
// never runs inside the function that it was given to. It may do anything, but should not block for
// long. There may be one operation of each kind at a time: a read, a write, a wait for initial
// metadata, a wait for the end.
class NIGH_API AsyncCall {
 public:
  using Event = CallEvent;
  using Done = absl::AnyInvocable<void(bool ok)>;

  AsyncCall(const AsyncCall&) = delete;
  AsyncCall& operator=(const AsyncCall&) = delete;

  virtual ClientContext& context() = 0;

  // Says in advance where the first message goes, so that it is parsed in place, without a copy.
  // Before Start.
  virtual void Expect(MessageTarget target) = 0;
  // Opens the call and sends `first`, its first message, unless that is null. `end`: no more
  // messages will follow. A message given to Start or Write need not outlive the function.
  virtual void Start(const google::protobuf::MessageLite* first, bool end) = 0;
  virtual void Cancel() = 0;

  // `done(true)`: `target` is filled. `done(false)`: there are no more messages.
  virtual void Read(MessageTarget target, Done done) = 0;
  virtual void Write(const google::protobuf::MessageLite& message, bool end, Done done) = 0;
  // Ends the sending side. False: it had ended already, or the call is over. Not while a Write is
  // under way.
  virtual bool WritesDone() = 0;
  virtual void WaitForInitialMetadata(absl::AnyInvocable<void()> done) = 0;
  virtual void Finish(absl::AnyInvocable<void(absl::Status)> done) = 0;

  // Cancels the call unless it is over. No callback runs after this. If one is running in another
  // thread, waits until it has returned.
  virtual void Abandon() = 0;

  // For coroutines: what the functions above are made of.
  //
  // When: `callback` runs once `event` is ready; only then may that event's Take be called.
  // TryWrite: as Write, but returns nullopt where it would have to wait.
  virtual bool Ready(CallEvent event) = 0;
  virtual void When(CallEvent event, absl::AnyInvocable<void()> callback) = 0;
  virtual std::optional<bool> TryWrite(const google::protobuf::MessageLite& message, bool end) = 0;
  virtual bool TakeMessage(MessageTarget target) = 0;
  virtual absl::Status TakeStatus() = 0;
  // Says that nobody will read any more. Must be called before the wait for the end.
  virtual void Discard() = 0;

 protected:
  AsyncCall() = default;
  ~AsyncCall() = default;
};

// Returns a call that has not begun. `context` must outlive it: until Finish has called back or
// Abandon has returned.
NIGH_API std::shared_ptr<AsyncCall> NewAsyncCall(BoundMethod method, ClientContext& context);
NIGH_API std::shared_ptr<AsyncCall> NewAsyncCall(BoundMethod method, const CallOptions& options);

// Called with the status with which a call has ended.
using DoneCallback = absl::AnyInvocable<void(absl::Status)>;

// Client streams with callbacks. No function of theirs blocks. Each calls back later, in the thread
// that serves the channel's callbacks (ChannelOptions::event_loop), one callback at a time, with no
// lock held. A callback may make calls, cancel, and destroy the stream or the channel, but should
// not block for long.
//
// Destroying a stream cancels its call unless it is over. Its callbacks then do not run any more;
// if one is running in another thread, the destructor waits until it has returned. A stream can be
// moved. There may be one read, one write and one Finish at a time.
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

  // Calls back when the server's initial metadata has arrived, or the call is over.
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

  // `done(true)`: `reply` holds the next reply. `done(false)`: there are no more. `reply` must
  // exist until then.
  void Read(Reply* reply, Done done) { call().Read(MessageTarget(reply), std::move(done)); }

  // Calls back with the status when the call has ended. Replies that were not read are dropped.
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

  // `done(true)`: the request is on its way, and the next may be written. `done(false)`: the call
  // is over, and Finish tells why; or the sending side had ended. `request` need not outlive the
  // function.
  void Write(const Request& request, Done done) {
    call().Write(request, /*end=*/false, std::move(done));
  }
  // The same for the last request. Saves a frame.
  void WriteLast(const Request& request, Done done) {
    call().Write(request, /*end=*/true, std::move(done));
  }
  // Ends the sending side. False: it had ended already, or the call is over. Not while a Write is
  // under way.
  bool WritesDone() { return call().WritesDone(); }

  // Ends the sending side unless that is done. Calls back with the reply, or the error. May be
  // called once.
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

// Sends requests and receives replies, independently of each other.
template <class Request, class Reply>
class AsyncClientStream final : public AsyncClientStreamBase {
 public:
  AsyncClientStream(BoundMethod method, ClientContext& context)
      : AsyncClientStreamBase(method, context) {
    call().Start(nullptr, /*end=*/false);
  }

  // As in AsyncClientWriter and AsyncClientReader.
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

// What a stub's AsyncX does: sends `request`, and calls back with the status when the call has
// ended. If it is OK, `reply` is filled.
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
