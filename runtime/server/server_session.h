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
// Threads: the receiving half belongs to whoever holds the polling role of the session's poller;
// handlers send from any thread. mutex_ guards the calls, is taken before the sender's, and is
// never held while user code runs or a message is parsed.
class ServerSession final : public Pollable, public std::enable_shared_from_this<ServerSession> {
 public:
  // `poller` and `dispatcher` outlive the session.
  ServerSession(std::unique_ptr<Connection> connection, Poller& poller, Dispatcher& dispatcher,
                const Limits& limits);
  ~ServerSession() override;

  // `callback` is told when the client broke the protocol. Before Open.
  void OnBroken(std::function<void(const absl::Status&)> callback) {
    on_broken_ = std::move(callback);
  }

  // `callback` is called, with no lock held, when the connection is over and so are all of its
  // calls: nothing of the session uses the poller or the dispatcher any more. Before Open.
  void OnEnd(std::function<void()> callback) { on_end_ = std::move(callback); }

  // Sends the hello.
  void Open();

  // For the poller that holds the role.
  Turn TakeTurn(InlineMark& mark) override;
  Wake ArmReceive() override { return connection_->Arm(Interest::kReceive); }
  Waiter::PollCost poll_cost() const override { return connection_->poll_cost(); }
  std::optional<Wake> ArmSend() override { return sender_.Arm(); }
  void ResumeSending() override ABSL_LOCKS_EXCLUDED(mutex_);

  // Refuses new calls from now on and tells the client.
  void Drain() ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether all handlers have returned and all that they sent has left.
  bool Drained() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether all handlers have returned, and no callback of theirs is still to run.
  bool Idle() const ABSL_LOCKS_EXCLUDED(mutex_);
  // `callback` runs, with no lock held, whenever a draining session may have become drained. Before
  // Open.
  void OnDrained(std::function<void()> callback) { on_drained_ = std::move(callback); }
  // Ends all calls with `status`.
  void CancelAll(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  void Close() { connection_->Close(); }

  // For ServerCall.
  bool Read(ServerCall& call, MessageTarget target) ABSL_LOCKS_EXCLUDED(mutex_);
  bool Write(ServerCall& call, const MessageSource& message) ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasSoleRequest(const ServerCall& call) const ABSL_LOCKS_EXCLUDED(mutex_);
  void SendInitialMetadata(ServerCall& call) ABSL_LOCKS_EXCLUDED(mutex_);
  void Respond(ServerCall& call, absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  // See there.
  bool Ready(const ServerCall& call, ServerCall::Event event) const ABSL_LOCKS_EXCLUDED(mutex_);
  void When(ServerCall& call, ServerCall::Event event, absl::AnyInvocable<void()> callback)
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<bool> TryWrite(ServerCall& call, const MessageSource& message)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends a call that is not over yet with `status`, and cancels its handler.
  void Abort(ServerCall& call, const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  // Aborts the call when its deadline passes, unless the poller's timer of this id is removed.
  Poller::TimerId AddDeadlineTimer(ServerCall& call);

  // Takes back a call that has responded, for another request of its method: its cancel callback
  // does not run any more when this returns.
  static void Recycle(std::unique_ptr<ServerCall> call);

  Poller& poller() const { return poller_; }
  const InterceptorChain<InterceptedServerCall>& interceptors() const {
    return dispatcher_.interceptors();
  }

 private:
  struct DeclaredMethod {
    // What there is to say of it; of one that the fallback serves, little but the name.
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
  // Makes a request whose message is parsed one of the open calls.
  void Admit(const FrameHeader& header, ConstByteSpan payload, ServerCall& admitted)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status OnMessage(const FrameHeader& header, ConstByteSpan payload, std::string* owned)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // What the frame does to the call's state and window, or why it may not.
  absl::Status TakeMessageEvent(ServerCall& call, const FrameHeader& header,
                                ConstByteSpan payload) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status BeginPieces(const Frame& frame) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnCancel(uint32_t id) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status OnCredit(const FrameHeader& header) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CheckRequest(const FrameHeader& header, ConstByteSpan payload, absl::Status& refusal)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The connection is over. `broken`: because the client broke the protocol.
  void Fail(const absl::Status& status, bool broken) ABSL_LOCKS_EXCLUDED(mutex_);

  // server_calls.cc: what handlers do.
  std::unique_ptr<ServerCall> NewCall(uint16_t method) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Keeps a call that is over for a later request, unless there are enough.
  void Keep(std::unique_ptr<ServerCall> call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Its handler has returned, or never will run.
  void Uncount(ServerCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Nobody uses the call any more. True: nor any other.
  bool Forget(std::unique_ptr<ServerCall> call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The last call has gone, or something else has that the callbacks wait for: calls those whose
  // time has come.
  void NotifyIdle() ABSL_LOCKS_EXCLUDED(mutex_);
  // One who uses the call without the mutex does so no longer.
  void Unpin(ServerCall& call) ABSL_LOCKS_EXCLUDED(mutex_);
  // Answers a request that never became a call.
  void Refuse(uint32_t id, const absl::Status& status);
  // The call is over for this session; `id` may come again.
  void Detach(ServerCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends a call from this side, with `status` to the client, and lets the handler know.
  void Terminate(ServerCall& call, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SendResponse(uint32_t id, const absl::Status& status, ServedContext* context,
                    const MessageSource* reply);
  // Whether what the handler wants to send as metadata may be sent.
  absl::Status CheckMetadata(const ServedContext& context) const;
  void TakeInitialMetadata(ServerCall& call, SectionWriter& sections)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The deadline has passed under the handler's eyes: the call ends here and now, for a handler
  // that takes it for the end of the requests must not answer OK. False, for the caller to return.
  bool Expire(ServerCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Consumed(ServerCall& call, size_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // When there is room.
  bool WriteNow(ServerCall& call, const MessageSource& message)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AfterSend(const absl::StatusOr<bool>& sent);

  bool IsReady(const ServerCall& call, ServerCall::Event event) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Something about `call` has changed: the handler that waits for it looks, or is resumed.
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

  // The role holder's own.
  Assembler assembler_;
  bool hello_received_ = false;

  Hello client_;  // what it announced; written once, before the first request

  mutable Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;  // the connection is over
  bool end_notified_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status over_ ABSL_GUARDED_BY(mutex_);  // once CancelAll has been called
  int spares_ ABSL_GUARDED_BY(mutex_) = 0;     // in all of methods_
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  int handlers_ ABSL_GUARDED_BY(mutex_) = 0;                     // admitted, and not returned yet
  int running_ ABSL_GUARDED_BY(mutex_) = 0;                      // calls that are not recycled yet
  std::vector<ServerCall*> calls_ ABSL_GUARDED_BY(mutex_);       // by call id
  std::vector<DeclaredMethod> methods_ ABSL_GUARDED_BY(mutex_);  // by method id
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_SERVER_SESSION_H_
