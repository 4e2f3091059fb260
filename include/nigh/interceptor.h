#ifndef NIGH_INTERCEPTOR_H_
#define NIGH_INTERCEPTOR_H_

#include <any>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/api.h"
#include "nigh/cancellation.h"
#include "nigh/client_context.h"
#include "nigh/deadline.h"
#include "nigh/message_io.h"
#include "nigh/metadata.h"
#include "nigh/method.h"
#include "nigh/options.h"
#include "nigh/server_context.h"

namespace nigh {

// Code that every call of a channel (ClientInterceptor) or of a server (ServerInterceptor) passes
// through. The call may be of any kind and made in any way: blocking, by callback or by coroutine.
// An interceptor derives from this class and overrides the hooks that it needs:
//
//   class Tokens final : public nigh::ClientInterceptor {
//     absl::Status OnStart(nigh::InterceptedClientCall& call) override {
//       call.sent_metadata().Add("authorization", token_);
//       return absl::OkStatus();
//     }
//   };
//
//   auto channel = nigh::Dial(address, {.interceptors = {std::make_shared<Tokens>()}});
//
// An interceptor that does the same on both sides can be a template<class Call> derived from
// Interceptor<Call>.
//
// Several interceptors are layers around the call; the first of the list is the outermost. What a
// client sends and what a server receives goes inwards, from the first to the last:
//
//            from the first to the last   from the last to the first
//   client   OnStart, OnSend              OnReceive, OnFinish
//   server   OnStart, OnReceive           OnSend, OnFinish
//
// Threads: one interceptor serves all calls, many of them at once. For one call, OnStart comes
// before every other hook, and OnFinish after every other, exactly once if OnStart was called.
// OnSend and OnReceive may overlap, when one thread writes to a stream while another reads. A hook
// runs in the thread that does what the hook is about (call, read, write, handle), with no lock
// held, and that thread waits for it. An exception counts as the status UNKNOWN.
template <class Call>
class Interceptor {
 public:
  virtual ~Interceptor() = default;

  // A call begins. The hook can add to what is still to be sent: metadata, a deadline. An error
  // ends the call with this status before it reaches the server or the handler. Answer ends it with
  // replies. In both cases the interceptors further in never hear of the call.
  virtual absl::Status OnStart(Call& /*call*/) { return absl::OkStatus(); }

  // A message is about to be sent, or has been received and is about to be handed on. An error ends
  // the call with this status: the caller gets it, and the handler is cancelled.
  virtual absl::Status OnSend(Call& /*call*/, const MessageView& /*message*/) {
    return absl::OkStatus();
  }
  virtual absl::Status OnReceive(Call& /*call*/, const MessageView& /*message*/) {
    return absl::OkStatus();
  }

  // The call ends with `status`, which the hook can replace.
  //
  // On a client, `status` is what the caller is about to see: CANCELLED if the caller lets go of a
  // call that is not over.
  //
  // On a server, `status` is what the handler or an interceptor has left. The client does not see
  // it if it has cancelled meanwhile. Trailing metadata can still be added.
  //
  // If the method has one reply, OK comes with that reply. Where a hook turns an error into OK, the
  // reply is an empty message.
  virtual void OnFinish(Call& /*call*/, absl::Status& /*status*/) {}
};

namespace internal {

// The state of one call that all its interceptors share.
struct InterceptedState {
  explicit InterceptedState(const Method& of, size_t interceptors)
      : method(of), own(interceptors) {}

  const Method& method;
  const int64_t start = SteadyNanos();
  std::atomic<int64_t> sent = 0;
  std::atomic<int64_t> received = 0;
  bool answered = false;
  std::deque<std::string> answer;
  absl::InlinedVector<std::any, 2> own;
  std::vector<Cancellation::Id> cancel_callbacks;
};

}  // namespace internal

// A call as one of its interceptors sees it. Valid while a hook runs.
class InterceptedCall {
 public:
  InterceptedCall(const InterceptedCall&) = delete;
  InterceptedCall& operator=(const InterceptedCall&) = delete;

  // "/package.Service/Method".
  absl::string_view method() const { return state_.method.name; }
  // The kind of the method. It is kBidiStreaming if the server's fallback serves the call, for the
  // server does not know the kind then.
  MethodKind kind() const { return state_.method.kind; }

  // The time since OnStart.
  absl::Duration elapsed() const { return absl::Nanoseconds(SteadyNanos() - state_.start); }
  // The number of messages so far, the present one included.
  int64_t sent() const { return state_.sent.load(std::memory_order_relaxed); }
  int64_t received() const { return state_.received.load(std::memory_order_relaxed); }

  // Anything that this interceptor wants to keep with the call.
  std::any& own() { return state_.own[index_]; }

  // For OnStart, which must then return OK. The call does not go on to the server or the handler;
  // it is answered with `replies`, serialised messages. There must be exactly one unless the method
  // streams replies. For a method served by a coroutine, the replies together must fit the client's
  // window (Limits::window).
  void Answer(std::deque<std::string> replies) {
    state_.answered = true;
    state_.answer = std::move(replies);
  }

 protected:
  InterceptedCall(internal::InterceptedState& state, size_t index) : state_(state), index_(index) {}

  void AddCancelCallback(Cancellation& cancellation, absl::AnyInvocable<void()> callback) {
    state_.cancel_callbacks.push_back(cancellation.Add(std::move(callback)));
  }
  // A handler may see that it is cancelled, and return, before its callbacks have had their turn.
  void SettleCancelCallbacks(Cancellation& cancellation) {
    for (const Cancellation::Id id : std::exchange(state_.cancel_callbacks, {})) {
      cancellation.Settle(id);
    }
  }

 private:
  internal::InterceptedState& state_;
  const size_t index_;
};

template <class Call>
class Interception;

class InterceptedClientCall final : public InterceptedCall {
 public:
  ClientContext& context() const { return context_; }

  // Metadata that hooks may change: sent_metadata in OnStart, the other two, which the caller will
  // see, in OnFinish.
  Metadata& sent_metadata() const { return context_.sent_; }
  Metadata& initial_metadata() const { return context_.initial_; }
  Metadata& trailing_metadata() const { return context_.trailing_; }

  // For OnStart. `callback` runs once when the caller cancels the call, in the thread that cancels.
  // If the call is cancelled already, it runs at once. It does not run after OnFinish has been
  // called, which hears of every end.
  void AddCancelCallback(absl::AnyInvocable<void()> callback) {
    InterceptedCall::AddCancelCallback(context_.cancellation_, std::move(callback));
  }

 private:
  friend class Interception<InterceptedClientCall>;
  using Context = ClientContext;
  static constexpr bool kSendsInwards = true;

  InterceptedClientCall(internal::InterceptedState& state, size_t index, ClientContext& context)
      : InterceptedCall(state, index), context_(context) {}
  void SettleCancelCallbacks() { InterceptedCall::SettleCancelCallbacks(context_.cancellation_); }

  ClientContext& context_;
};

class NIGH_API InterceptedServerCall final : public InterceptedCall {
 public:
  ServerContext& context() const { return context_; }

  // Metadata that hooks may change: client_metadata, which the handler will see, in OnStart.
  Metadata& client_metadata() const { return context_.client_metadata_; }
  Metadata& initial_metadata() const { return context_.initial_; }
  Metadata& trailing_metadata() const { return context_.trailing_; }

  // For OnStart. As ServerContext::SetCancelCallback, which belongs to the handler; but this
  // callback misses no cancellation before the end. At the latest it runs just before OnFinish, in
  // its thread.
  void AddCancelCallback(absl::AnyInvocable<void()> callback);

 private:
  friend class Interception<InterceptedServerCall>;
  using Context = ServerContext;
  static constexpr bool kSendsInwards = false;

  InterceptedServerCall(internal::InterceptedState& state, size_t index, ServerContext& context)
      : InterceptedCall(state, index), context_(context) {}
  void SettleCancelCallbacks() {
    // The deadline's timer may come later than the handler's return.
    if (context_.deadline_.HasPassed()) (void)context_.cancellation_.Mark();
    InterceptedCall::SettleCancelCallbacks(context_.cancellation_);
  }

  ServerContext& context_;
};

}  // namespace nigh

#endif  // NIGH_INTERCEPTOR_H_
