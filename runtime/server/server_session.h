#ifndef NIGH_RUNTIME_SERVER_SERVER_SESSION_H_
#define NIGH_RUNTIME_SERVER_SERVER_SESSION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/runtime/call/assembler.h"
#include "nigh/runtime/call/frame_sender.h"
#include "nigh/runtime/loop/pollable.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/server/dispatcher.h"
#include "nigh/runtime/server/server_call.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/connection.h"

namespace nigh {

// The server's end of one connection: its calls, and what their frames mean.
//
// Threads: the receiving half belongs to the thread that holds the role of the session's poller.
// Any thread may send. mutex_ guards the calls. It is locked before the sender's, and never held
// while user code runs or a message is parsed.
class ServerSession final : public Pollable, public std::enable_shared_from_this<ServerSession> {
 public:
  // `poller` and `dispatcher` outlive the session.
  ServerSession(std::unique_ptr<Connection> connection, Poller& poller, Dispatcher& dispatcher,
                const Limits& limits);
  ~ServerSession() override;

  // `callback` is called when the client has broken the protocol. Before Open.
  void OnBroken(std::function<void(const absl::Status&)> callback) {
    on_broken_ = std::move(callback);
  }

  // `callback` is called, with no lock held, when the connection and all of its calls are over.
  // Nothing of the session uses the poller or the dispatcher any more. Before Open.
  void OnEnd(std::function<void()> callback) { on_end_ = std::move(callback); }

  // Sends the hello.
  void Open();

  // For the poller, in its role; see Pollable.
  Turn TakeTurn(InlineMark& mark) override;
  Wake ArmReceive() override { return connection_->Arm(Interest::kReceive); }
  Waiter::PollCost poll_cost() const override { return connection_->poll_cost(); }
  std::optional<Wake> ArmSend() override { return sender_.Arm(); }
  void ResumeSending() override ABSL_LOCKS_EXCLUDED(mutex_);

  // From now on refuses new calls, and tells the client so.
  void Drain() ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether all handlers have returned and everything that was sent has left.
  bool Drained() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether all handlers have returned and none of their callbacks is still to run.
  bool Idle() const ABSL_LOCKS_EXCLUDED(mutex_);
  // `callback` is called, with no lock held, whenever a draining session may have become drained.
  // Before Open.
  void OnDrained(std::function<void()> callback) { on_drained_ = std::move(callback); }
  // Ends all calls with `status`, and refuses new ones with it.
  void CancelAll(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  void Close() { connection_->Close(); }

  // For ServerCall, whose functions of the same names these serve.
  bool Read(ServerCall& call, MessageTarget target) ABSL_LOCKS_EXCLUDED(mutex_);
  bool Write(ServerCall& call, const MessageSource& message) ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasSoleRequest(const ServerCall& call) const ABSL_LOCKS_EXCLUDED(mutex_);
  void SendInitialMetadata(ServerCall& call) ABSL_LOCKS_EXCLUDED(mutex_);
  void Respond(ServerCall& call, absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  // The same, for coroutines.
  bool Ready(const ServerCall& call, ServerCall::Event event) const ABSL_LOCKS_EXCLUDED(mutex_);
  void When(ServerCall& call, ServerCall::Event event, absl::AnyInvocable<void()> callback)
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<bool> TryWrite(ServerCall& call, const MessageSource& message)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends the call with `status` unless it is over, and cancels its handler.
  void Abort(ServerCall& call, const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  // Adds a timer that aborts the call when its deadline passes. Returns its id, by which the poller
  // can remove it.
  Poller::TimerId AddDeadlineTimer(ServerCall& call);

  // Takes back a call that has responded, for another request of its method. The call's cancel
  // callback does not run any more once this has returned.
  static void Recycle(std::unique_ptr<ServerCall> call);

  Poller& poller() const { return poller_; }
  const InterceptorChain<InterceptedServerCall>& interceptors() const {
    return dispatcher_.interceptors();
  }

 private:
  struct DeclaredMethod {
    // The method's description. If the fallback serves the method, it says little but the name.
    const Method& description() const { return named ? named->method : method->method(); }

    std::string name;  // where there is no such method
    RegisteredMethod* method = nullptr;
    std::unique_ptr<const NamedMethod> named;  // where the fallback serves it
    std::vector<std::unique_ptr<ServerCall>> spare;
  };

  // server_session.cc: what arrives.
  absl::Status Dispatch(const Frame& frame, std::unique_ptr<ServerCall>& to_run)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status OnHello(ConstByteSpan payload);
  absl::Status OnMethod(const FrameHeader& header, ConstByteSpan payload)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status OnRequest(const FrameHeader& header, ConstByteSpan payload,
                         std::unique_ptr<ServerCall>& to_run) ABSL_LOCKS_EXCLUDED(mutex_);
  // Adds a request whose message is parsed to the open calls.
  void Admit(const FrameHeader& header, ConstByteSpan payload, ServerCall& admitted)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status OnMessage(const FrameHeader& header, ConstByteSpan payload, std::string* owned)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Applies the frame to the call's state and window. An error says why it may not be applied.
  absl::Status TakeMessageEvent(ServerCall& call, const FrameHeader& header,
                                ConstByteSpan payload) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status BeginPieces(const Frame& frame) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnCancel(uint32_t id) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status OnCredit(const FrameHeader& header) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CheckRequest(const FrameHeader& header, ConstByteSpan payload, absl::Status& refusal)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends all calls because the connection is over. `broken`: the client has broken the protocol.
  void Fail(const absl::Status& status, bool broken) ABSL_LOCKS_EXCLUDED(mutex_);

  // server_calls.cc: what handlers do.
  std::unique_ptr<ServerCall> NewCall(uint16_t method) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Keeps a call that is over for a later request, unless enough are kept.
  void Keep(std::unique_ptr<ServerCall> call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Notes that the call's handler has returned or will never run.
  void Uncount(ServerCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Lets go of a call that nobody uses any more. True: no call is left.
  bool Forget(std::unique_ptr<ServerCall> call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Calls those callbacks (OnDrained, OnEnd) whose time has come. To be called when the last call
  // is gone, or anything else that they wait for.
  void NotifyIdle() ABSL_LOCKS_EXCLUDED(mutex_);
  // Notes that one user of the call without the mutex has finished. Takes the call back if it was
  // the last one and the call is orphaned.
  void Unpin(ServerCall& call) ABSL_LOCKS_EXCLUDED(mutex_);
  // Answers a request that never became a call.
  void Refuse(uint32_t id, const absl::Status& status);
  // Ends the call for this session. The client may use its id again.
  void Detach(ServerCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends a call from this side: sends `status` to the client and lets the handler know.
  void Terminate(ServerCall& call, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SendResponse(uint32_t id, const absl::Status& status, ServedContext* context,
                    const MessageSource* reply);
  // Checks whether the handler's metadata may be sent.
  absl::Status CheckMetadata(const ServedContext& context) const;
  void TakeInitialMetadata(ServerCall& call, SectionWriter& sections)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the call because the handler has seen its deadline pass. It ends here and now: a handler
  // that takes this for the end of the requests must not answer OK. Returns false, for the caller
  // to return.
  bool Expire(ServerCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Consumed(ServerCall& call, size_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Writes without waiting. There must be room.
  bool WriteNow(ServerCall& call, const MessageSource& message)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AfterSend(const absl::StatusOr<bool>& sent);

  bool IsReady(const ServerCall& call, ServerCall::Event event) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Wakes or resumes the handler that waits for a change of `call`, so that it looks again.
  void Changed(ServerCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  ServerCall* FindCall(uint32_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return id < calls_.size() ? calls_[id] : nullptr;
  }

  const std::unique_ptr<Connection> connection_;
  Poller& poller_;
  Dispatcher& dispatcher_;
  const Limits limits_;
  const std::shared_ptr<const PeerIdentity> peer_;
  FrameSender sender_;
  std::function<void()> on_drained_;
  std::function<void()> on_end_;
  std::function<void(const absl::Status&)> on_broken_;

  // Used only in the poller's role.
  Assembler assembler_;
  bool hello_received_ = false;

  Hello client_;  // what the client announced; written once, before the first request

  mutable Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;  // the connection is over
  bool end_notified_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status over_ ABSL_GUARDED_BY(mutex_);  // CancelAll's status; new calls get it too
  int spares_ ABSL_GUARDED_BY(mutex_) = 0;     // kept in all of methods_
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  int handlers_ ABSL_GUARDED_BY(mutex_) = 0;                     // admitted and not returned yet
  int running_ ABSL_GUARDED_BY(mutex_) = 0;                      // calls that are not recycled yet
  std::vector<ServerCall*> calls_ ABSL_GUARDED_BY(mutex_);       // by call id
  std::vector<DeclaredMethod> methods_ ABSL_GUARDED_BY(mutex_);  // by method id
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_SERVER_SESSION_H_
