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
// through, of whatever kind the call is and however it is made: blocking, by callback or by
// coroutine. It derives from this and overrides what it has to do with:
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
// What does the same on either side can be a template<class Call> derived from Interceptor<Call>.
//
// Several are layers around the call, the first of the list outermost: OnStart and OnSend of a
// client go through the list from the first to the last, OnReceive and OnFinish from the last to
// the first; of a server, to which messages flow the other way, OnStart and OnReceive go from first
// to last, OnSend and OnFinish from last to first.
//
// Threads: one interceptor serves all calls, many at once. Of one call, OnStart comes before
// everything else and OnFinish after it, exactly once where OnStart has been called; OnSend and
// OnReceive may run at the same time where one thread writes to a stream while another reads. Each
// runs in the thread that does what it is about (calls, reads, writes, handles), with no lock held,
// and holds that up while it runs. An exception counts as the status UNKNOWN.
template <class Call>
class Interceptor {
 public:
  virtual ~Interceptor() = default;

  // A call begins. What is still to be sent of it can be added to: metadata, a deadline. An error
  // ends the call with this status, before it reaches the server or the handler; Answer ends it
  // with replies. Interceptors further in then know nothing of it.
  virtual absl::Status OnStart(Call& /*call*/) { return absl::OkStatus(); }

  // A message is about to be sent, or has been received and is about to be handed on. An error
  // ends the call with this status: the caller gets it, and the handler is cancelled.
  virtual absl::Status OnSend(Call& /*call*/, const MessageView& /*message*/) {
    return absl::OkStatus();
  }
  virtual absl::Status OnReceive(Call& /*call*/, const MessageView& /*message*/) {
    return absl::OkStatus();
  }

  // The call ends with `status`, which can be replaced. Of a client: as the caller is about to see
  // it; CANCELLED where it lets go of a call that is not over. Of a server: as the handler has left
  // it, or an interceptor, which is not what the client sees if it has cancelled meanwhile.
  // Trailing metadata can still be added there. OK of a call with one reply must come with that
  // reply: where an error becomes OK, that is an empty message.
  virtual void OnFinish(Call& /*call*/, absl::Status& /*status*/) {}
};

namespace internal {

// What all interceptors of one call share.
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

// A call as one of its interceptors sees it, for as long as a hook runs.
class InterceptedCall {
 public:
  InterceptedCall(const InterceptedCall&) = delete;
  InterceptedCall& operator=(const InterceptedCall&) = delete;

  // "/package.Service/Method".
  absl::string_view method() const { return state_.method.name; }
  // Bidirectional streaming where the server knows no better, since its fallback serves the call.
  MethodKind kind() const { return state_.method.kind; }

  // Since OnStart.
  absl::Duration elapsed() const { return absl::Nanoseconds(SteadyNanos() - state_.start); }
  // Messages so far, this one included.
  int64_t sent() const { return state_.sent.load(std::memory_order_relaxed); }
  int64_t received() const { return state_.received.load(std::memory_order_relaxed); }

  // Whatever this interceptor wants to keep with the call.
  std::any& own() { return state_.own[index_]; }

  // In OnStart, before it returns OK: the call does not go on to the server or the handler, but
  // gets these replies, serialised; one, unless its method streams them. To a coroutine's method
  // the replies may be as long as the window (Limits::window).
  void Answer(std::deque<std::string> replies) {
    state_.answered = true;
    state_.answer = std::move(replies);
  }

 protected:
  InterceptedCall(internal::InterceptedState& state, size_t index) : state_(state), index_(index) {}

  void AddCancelCallback(Cancellation& cancellation, absl::AnyInvocable<void()> callback) {
    state_.cancel_callbacks.push_back(cancellation.Add(std::move(callback)));
  }
  // A handler may see that it is cancelled, and return, before its callbacks had their turn.
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

  // To be changed: the first in OnStart, the others, which the caller will see, in OnFinish.
  Metadata& sent_metadata() const { return context_.sent_; }
  Metadata& initial_metadata() const { return context_.initial_; }
  Metadata& trailing_metadata() const { return context_.trailing_; }

  // In OnStart: `callback` runs once when the caller cancels the call, in the thread that does; at
  // once if that has happened. Not after OnFinish has been called, which sees every end.
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

class InterceptedServerCall final : public InterceptedCall {
 public:
  ServerContext& context() const { return context_; }

  // To be changed: the first, which the handler will see, in OnStart.
  Metadata& client_metadata() const { return context_.client_metadata_; }
  Metadata& initial_metadata() const { return context_.initial_; }
  Metadata& trailing_metadata() const { return context_.trailing_; }

  // In OnStart: as ServerContext::SetCancelCallback, which is left to the handler, but it misses no
  // cancellation before the end: at the latest it runs just before OnFinish, in its thread.
  void AddCancelCallback(absl::AnyInvocable<void()> callback);

 private:
  friend class Interception<InterceptedServerCall>;
  using Context = ServerContext;
  static constexpr bool kSendsInwards = false;

  InterceptedServerCall(internal::InterceptedState& state, size_t index, ServerContext& context)
      : InterceptedCall(state, index), context_(context) {}
  void SettleCancelCallbacks() {
    // The timer that says so may come later than the handler's return.
    if (context_.deadline_.HasPassed()) (void)context_.cancellation_.Mark();
    InterceptedCall::SettleCancelCallbacks(context_.cancellation_);
  }

  ServerContext& context_;
};

}  // namespace nigh

#endif  // NIGH_INTERCEPTOR_H_
