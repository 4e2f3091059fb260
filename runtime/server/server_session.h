#ifndef NIGH_RUNTIME_SERVER_SERVER_SESSION_H_
#define NIGH_RUNTIME_SERVER_SERVER_SESSION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/call/assembler.h"
#include "nigh/runtime/call/frame_receiver.h"
#include "nigh/runtime/loop/cooling.h"
#include "nigh/runtime/loop/pollable.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/server/call_count.h"
#include "nigh/runtime/server/call_rules.h"
#include "nigh/runtime/server/dispatcher.h"
#include "nigh/runtime/server/server_call.h"
#include "nigh/runtime/server/server_link.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/transport.h"

namespace nigh {

// The server's end of one connection: it keeps the calls, and routes frames to them.
//
// Threads. The tables, by call id and by method, belong to whoever holds the role of the session's
// poller, and so does the receiving half of the connection: a call that is handled inline takes no
// lock here. A thread that runs a handler elsewhere leaves its call in returned_, where the role
// finds it. mutex_ guards the list of all calls, for those who end them from outside the role.
//
// Life. Whoever owns the session keeps it until Idle, or until OnEnd has been called: its calls
// hold no reference to it.
class ServerSession final : public Pollable, public std::enable_shared_from_this<ServerSession> {
 public:
  // The most calls that one connection keeps for later requests.
  static constexpr int kSpareCalls = 32;

  // `poller`, `dispatcher` and `rules` outlive the session. `reach`: of the address that the client
  // has come to. `account` is the connection's. Takes descriptors if a method of the dispatcher's
  // does.
  ServerSession(std::unique_ptr<Connection> connection, Reach reach, Poller& poller,
                Dispatcher& dispatcher, CallRules& rules, const Limits& limits,
                std::shared_ptr<Account> account);
  ~ServerSession() override;

  // `callback` is called when the client has broken the protocol. Before Open.
  void OnBroken(std::function<void(const absl::Status&)> callback) {
    on_broken_ = std::move(callback);
  }
  // `callback` is called when the client has said hello. Before Open.
  void OnGreeted(std::function<void()> callback) { on_greeted_ = std::move(callback); }
  // `callback` is called, with no lock held, when the connection and all of its calls are over.
  // Nothing of the session uses the poller or the dispatcher any more. Before Open.
  void OnEnd(std::function<void()> callback) { on_end_ = std::move(callback); }
  // `callback` is called, with no lock held, whenever a draining session may have become drained.
  // Before Open.
  void OnDrained(std::function<void()> callback) { on_drained_ = std::move(callback); }

  // Sends the hello.
  void Open();

  // For the poller, in its role; see Pollable.
  Turn TakeTurn(InlineMark& mark) override;
  std::optional<uid_t> user() const override { return peer().uid; }
  bool Silent() const override { return receiver_.Silent() && !link_.sender().holds_back(); }
  Wake ArmReceive() override {
    return link_.sender().holds_back() ? Wake::Ready() : receiver_.Arm();
  }
  bool Pauses() override {
    const bool much = link_.MuchWaits();
    // Else nobody would be told when to read again: handlers send at any time, not only in turns.
    if (much) paused_ = true;
    return much;
  }
  Waiter::PollCost poll_cost() const override { return poll_cost_; }
  std::optional<Wake> ArmSend() override { return link_.sender().Arm(); }
  bool ResumeSending() override;

  // Any thread may call what follows.

  // From now on refuses new calls, and tells the client so.
  void Drain();
  // Whether all handlers have returned and everything that was sent has left.
  bool Drained() const {
    return count_.none() && (count_.Is(CallCount::kEnded) || link_.sender().idle());
  }
  // Whether the client has left.
  bool ClientHasLeft() const { return count_.Is(CallCount::kEnded); }
  // Whether all handlers have returned and none of their callbacks is still to run.
  bool Idle() const { return count_.none(); }
  // Ends the connection, whose client is told why.
  void Dismiss(const absl::Status& why);
  // Ends all calls with `status`, and those that still come.
  void CancelAll(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  void Close() { link_.connection().Close(); }

  // Who the client is, as far as the kernel tells.
  const PeerIdentity& peer() const { return *link_.peer(); }

  // For calls and whoever runs their handlers.

  // Whether so many bytes that a call has used may be kept for later. They are let go of in a
  // second or two, if they are not used again.
  bool KeepsSpare(size_t bytes);
  ServerLink& link() { return link_; }
  Poller& poller() { return link_.poller(); }
  const InterceptorChain<InterceptedServerCall>& interceptors() const {
    return dispatcher_.interceptors();
  }
  // The handler of one call has returned, or has finished the call before. To be called before the
  // response is sent, for the client may begin another call at once.
  void HandlerReturned() { returned_handlers_.fetch_add(1, std::memory_order_relaxed); }
  // How many handlers of this connection run, or are about to. In the role.
  uint32_t running_handlers() const {
    return handlers_ - returned_handlers_.load(std::memory_order_relaxed);
  }
  // Takes back a call that has been served and settled, for another request of its method.
  // `in_role`: the caller has the poller's role. The session may be gone afterwards.
  void TakeBack(std::unique_ptr<ServerCall> call, bool in_role);

 private:
  struct DeclaredMethod {
    // The method's description. If the fallback serves the method, it says little but the name.
    const Method& description() const { return named ? named->method : method->method(); }
    bool declared() const { return method != nullptr || !name.empty(); }

    std::string name;  // where there is no such method, or this client may not call it
    bool denied = false;
    RegisteredMethod* method = nullptr;
    std::unique_ptr<const NamedMethod> named;  // where the fallback serves it
    std::vector<std::unique_ptr<ServerCall>> spare;
  };

  // What arrives. False: the client has broken the protocol; violation_ says how. A request that a
  // handler is to be run for is in arrived_.
  bool Dispatch(const Frame& frame);
  bool Violated(absl::Status violation);
  // The same of a REQUEST or MESSAGE, with what has come with it in extras_.
  bool DispatchMessage(const Frame& frame);
  bool OnHello(ConstByteSpan payload);
  bool OnMethod(const FrameHeader& header, ConstByteSpan payload);
  // `counted`: it came in pieces, and is in count_ already.
  bool OnRequest(const FrameHeader& header, ConstByteSpan payload, bool counted);
  bool OnMessage(const FrameHeader& header, ConstByteSpan payload);
  bool OnPiece(const Frame& frame);
  bool BeginPieces(const Frame& frame);
  // Charges the link for what is in the assembler.
  void ChargeAssembler();
  // Whether so many bytes more may be kept, once what handlers have given back is let go of.
  bool MayKeep(size_t bytes);
  // Lets go of large memory that is only kept for later, part by part; see Cooling.
  bool Cool();
  void OnCancel(uint32_t id);
  bool OnCredit(const FrameHeader& header);
  // Whether the client may make this request at all.
  bool CheckRequest(const FrameHeader& header);
  // Why a request is refused, or OK.
  absl::Status Refusal(const FrameHeader& header, ConstByteSpan payload) const;
  // Ends all calls because the connection is over. `broken`: the client has broken the protocol.
  void Fail(const absl::Status& status, bool broken);

  // The life of a call between requests.
  std::unique_ptr<ServerCall> NewCall(uint16_t method) ABSL_LOCKS_EXCLUDED(mutex_);
  // Keeps a call for a later request, unless enough are kept. In the role.
  void Keep(std::unique_ptr<ServerCall> call);
  // Keeps those that were left in returned_.
  void KeepReturned();
  // Leaves a call to the role.
  void Return(std::unique_ptr<ServerCall> call);
  // Whether all calls have been ended. A call that has been opened is ended then, or finds it here.
  bool IsCancelled() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends a call whose session takes none any more.
  void TurnAway(std::unique_ptr<ServerCall> call) ABSL_LOCKS_EXCLUDED(mutex_);
  void Destroy(std::unique_ptr<ServerCall> call) ABSL_LOCKS_EXCLUDED(mutex_);
  // One call less in count_. The session may be gone afterwards.
  void Uncount();
  // Calls those callbacks (OnDrained, OnEnd) whose time has come.
  void NotifyIdle();

  // The open call with this id, or null.
  ServerCall* FindCall(uint32_t id) {
    ServerCall* const call = id < calls_.size() ? calls_[id] : nullptr;
    return call != nullptr && call->is_open() ? call : nullptr;
  }

  ServerLink link_;
  Cooling cooling_;
  const Reach reach_;
  Dispatcher& dispatcher_;
  CallRules& rules_;
  const Waiter::PollCost poll_cost_;
  std::function<void()> on_drained_;
  std::function<void()> on_end_;
  std::function<void()> on_greeted_;
  std::function<void(const absl::Status&)> on_broken_;

  // The role's.
  FrameReceiver receiver_;
  Assembler assembler_;
  int unfinished_requests_ = 0;  // in it; each is counted in count_
  size_t assembling_ = 0;        // bytes that the link is charged for it, and as spare
  size_t assembler_spare_ = 0;
  bool paused_ = false;  // much was waiting to be sent, so nothing is read
  bool hello_received_ = false;
  // REQUEST frames that have come; written in the role alone.
  std::atomic<uint64_t> requests_ = 0;
  std::unique_ptr<ServerCall> arrived_;
  FrameExtras extras_;                   // of the frame that is dispatched
  std::vector<ServerCall*> calls_;       // by call id; is_open tells whether the id is in use
  std::vector<DeclaredMethod> methods_;  // by method id
  int spares_ = 0;                       // kept in all of methods_
  uint32_t handlers_ = 0;                // admitted so far
  absl::Status violation_;

  std::atomic<uint32_t> returned_handlers_ = 0;  // of handlers_
  // Calls that have not been taken back, and those of which the request comes in pieces.
  CallCount count_;
  // A list, by ServerCall::next, of calls that threads without the role have given back.
  std::atomic<ServerCall*> returned_ = nullptr;
  std::atomic<int> returns_ = 0;  // how many have been left there, approximately
  std::atomic<bool> end_notified_ = false;

  mutable Mutex mutex_;
  absl::Status over_ ABSL_GUARDED_BY(mutex_);             // CancelAll's; new calls get it too
  std::vector<ServerCall*> all_ ABSL_GUARDED_BY(mutex_);  // in any phase
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_SERVER_SESSION_H_
