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
#include "nigh/runtime/call/frame_receiver.h"
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
  bool Silent() const override { return receiver_.Silent(); }
  Wake ArmReceive() override { return receiver_.Arm(); }
  Waiter::PollCost poll_cost() const override { return poll_cost_; }
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

  // Takes back a call that has responded, for another request of its method. The call's cancel
  // callback does not run any more once this has returned.
  static void Recycle(std::unique_ptr<ServerCall> call);

  Poller& poller() const { return poller_; }
  const InterceptorChain<InterceptedServerCall>& interceptors() const {
    return dispatcher_.interceptors();
  }

 private:
  // It sends by this session, under its mutex.
  friend class ServerCall;
  // Tells the analysis that a call, which knows the mutex as its own, holds it.
  void AssertHeld() const ABSL_ASSERT_EXCLUSIVE_LOCK(mutex_) {}

  struct DeclaredMethod {
    // The method's description. If the fallback serves the method, it says little but the name.
    const Method& description() const { return named ? named->method : method->method(); }

    std::string name;  // where there is no such method
    RegisteredMethod* method = nullptr;
    std::unique_ptr<const NamedMethod> named;  // where the fallback serves it
    std::vector<std::unique_ptr<ServerCall>> spare;
  };

  // What arrives.
  absl::Status Dispatch(const Frame& frame, std::unique_ptr<ServerCall>& to_run)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status OnHello(ConstByteSpan payload);
  absl::Status OnMethod(const FrameHeader& header, ConstByteSpan payload)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status OnRequest(const FrameHeader& header, ConstByteSpan payload,
                         std::unique_ptr<ServerCall>& to_run) ABSL_LOCKS_EXCLUDED(mutex_);
  // Adds a request whose message is parsed to the open calls.
  void Admit(const FrameHeader& header, ConstByteSpan payload, ServerCall& call)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status OnMessage(const FrameHeader& header, ConstByteSpan payload, std::string* owned)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status BeginPieces(const Frame& frame) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnCancel(uint32_t id) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status OnCredit(const FrameHeader& header) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CheckRequest(const FrameHeader& header, ConstByteSpan payload, absl::Status& refusal)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends all calls because the connection is over. `broken`: the client has broken the protocol.
  void Fail(const absl::Status& status, bool broken) ABSL_LOCKS_EXCLUDED(mutex_);

  // The life of a call between requests.
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
  // The call with this id is over. The client may use the id again.
  void FreeId(uint32_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { calls_[id] = nullptr; }
  void SendResponse(uint32_t id, const absl::Status& status, ServedContext* context,
                    const MessageSource* reply);
  // Sees to what a send has left behind, or to the end of the connection.
  void AfterSend(Sent sent);

  ServerCall* FindCall(uint32_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return id < calls_.size() ? calls_[id] : nullptr;
  }

  const std::unique_ptr<Connection> connection_;
  Poller& poller_;
  Dispatcher& dispatcher_;
  const Limits limits_;
  const Waiter::PollCost poll_cost_;
  const std::shared_ptr<const PeerIdentity> peer_;
  FrameSender sender_;
  std::function<void()> on_drained_;
  std::function<void()> on_end_;
  std::function<void(const absl::Status&)> on_broken_;

  // Used only in the poller's role.
  FrameReceiver receiver_;
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
