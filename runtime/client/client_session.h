#ifndef NIGH_RUNTIME_CLIENT_CLIENT_SESSION_H_
#define NIGH_RUNTIME_CLIENT_CLIENT_SESSION_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/runtime/call/assembler.h"
#include "nigh/runtime/call/frame_receiver.h"
#include "nigh/runtime/call/frame_sender.h"
#include "nigh/runtime/client/client_call.h"
#include "nigh/runtime/client/pump_token.h"
#include "nigh/runtime/client/slot.h"
#include "nigh/runtime/client/unary_call.h"
#include "nigh/runtime/loop/pollable.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transport/waiter.h"

namespace nigh {

// The client's end of one connection: its calls, and the pump that moves their frames.
//
// Threads. The session has no thread of its own. A caller that has to wait and finds nobody pumping
// leads: it receives and dispatches, for all calls, until its own wait is over. Then one of the
// other waiting callers takes its place. (Leader/followers: Schmidt et al., "Leader/Followers",
// 2000.) A lone caller thus sends its request and parses its own reply with no hand-off.
//
// A poller pumps, whenever no caller does, while calls are open that nobody waits for in a thread,
// or while something waits for room that no caller waits for. A caller that begins to lead takes
// the pump from the poller and gives it back when it leaves. Callbacks run as the poller's tasks,
// never on the leader. client_pump.cc has a picture of it.
//
// Two kinds of calls. A UnaryCall is its thread's own; its slot hands over what arrives, and only
// the sender's lock is taken for it. All others are ClientCalls, which mutex_ guards; their slots
// are shared.
//
// Locks. mutex_ is taken before the sender's. It is never held while user code runs or a thread
// sleeps. The receiving half of the connection belongs to whoever pumps: whoever has
// pump_token_.
class ClientSession final : public Pollable, public std::enable_shared_from_this<ClientSession> {
 public:
  using Event = CallEvent;

  // `name` is the address, for messages.
  ClientSession(std::unique_ptr<Connection> connection, std::string name,
                const ChannelOptions& options);
  ~ClientSession() override;

  // Must be called first. Fails with UNAVAILABLE when the system has no descriptor to give.
  absl::Status Open() const;

  // Has `callback` called once, with no lock held, when the session takes no new calls any more.
  // Must be called before Handshake.
  void OnEnd(std::function<void()> callback) { on_end_ = std::move(callback); }

  // `owner` is the connector, which may go while calls go on. Must be called before Handshake.
  void BelongsTo(std::weak_ptr<const void> owner) { owner_ = std::move(owner); }
  // Keeps the owner. Null: it has gone.
  std::shared_ptr<const void> owner() const { return owner_.lock(); }

  // Exchanges hellos. The connecting thread calls it, before any other use, and waits until
  // `deadline` at most. It asks `abandon` whenever it wakes, as after every Interrupt. Fails with
  // UNAVAILABLE; the message tells why.
  absl::Status Handshake(Deadline deadline, const std::function<bool()>& abandon);
  // Does the same without waiting: `poller` exchanges the hellos, then calls `done` with no lock
  // held.
  void HandshakeOn(const std::shared_ptr<Poller>& poller, Deadline deadline,
                   std::function<void(const absl::Status&)> done);
  // Closes the connection, which ends all calls. Any thread may call it.
  void Close() { connection_->Close(); }
  // Says that no more calls will come. The session then no longer keeps a poller for what waits for
  // room: when the open calls are over, the hang-up tells the server what CANCELs would have.
  void LetGo() ABSL_LOCKS_EXCLUDED(mutex_);

  // Wakes whoever pumps from its sleep, so that it looks again whether to go on.
  void Interrupt() ABSL_LOCKS_EXCLUDED(mutex_);

  // Opens a unary call, as below.
  bool Start(UnaryCall& call, const MessageSource& request) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends it here and sends a CANCEL. False: the receiver has been quicker. `taken` is called before
  // the slot may become another call's.
  bool GiveUp(Slot& slot, absl::FunctionRef<void()> taken) ABSL_LOCKS_EXCLUDED(mutex_);
  // Gives its slot back. The call is over, and nobody takes frames for it any more.
  void End(Slot& slot) ABSL_LOCKS_EXCLUDED(mutex_);

  // How the thread of a unary call waits. It leads if it gets the pump. Its own frames are then
  // parsed where they lie. PumpOrLookOut handles one frame; false: none has come, for so long that
  // it is time to sleep. PumpTheRest handles what has come, up to the end of the call. EndToLead
  // passes the pump on to whoever needs it.
  bool TryTakePump() { return pump_token_.TryTake(); }
  void BeginToLead(UnaryCall& call) {
    own_ = &call;
    // The waiter has seen another thread's wait last.
    waiter_.Reset();
  }
  bool PumpOrLookOut() ABSL_LOCKS_EXCLUDED(mutex_) { return PumpOrLookOut(nullptr); }
  void PumpTheRest() ABSL_LOCKS_EXCLUDED(mutex_) { (void)PumpSome(nullptr); }
  void SleepAsLeader(Deadline deadline) ABSL_LOCKS_EXCLUDED(mutex_);
  void EndToLead() ABSL_LOCKS_EXCLUDED(mutex_) {
    own_ = nullptr;
    ReleasePump();
  }
  // Otherwise it follows. SleepAsFollower sleeps until there may be something to do, at once if
  // not `waits()`. A follower that has slept may have been woken to lead; if it does not, PassPump.
  bool pump_is_taken() const { return pump_token_.taken(); }
  const WaitPolicy& wait_policy() const { return wait_; }
  void SleepAsFollower(Slot& slot, Deadline deadline, absl::FunctionRef<bool()> waits)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void PassPump() ABSL_LOCKS_EXCLUDED(mutex_);

  // Opens `call`. False: this session takes no new calls, and nothing of this one has left; try
  // another session. True: the call's status tells whether it has failed already.
  bool Start(ClientCall& call, const MessageSource* first, bool end) ABSL_LOCKS_EXCLUDED(mutex_);

  // The rest of a call's life; see ClientCall.
  bool Write(ClientCall& call, const MessageSource& message, bool end) ABSL_LOCKS_EXCLUDED(mutex_);
  bool WritesDone(ClientCall& call) ABSL_LOCKS_EXCLUDED(mutex_);
  bool Read(ClientCall& call, MessageTarget target) ABSL_LOCKS_EXCLUDED(mutex_);
  void WaitForInitialMetadata(ClientCall& call) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Finish(ClientCall& call) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the call with `status`, and tells the server. Any thread may call it. Nothing happens if
  // the call is over.
  void Cancel(ClientCall& call, absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

  // What follows is for calls with waiters.

  // Posts `callback` to the call's poller once `event` has come. Returns the callback that waited
  // for `event` before.
  absl::AnyInvocable<void()> When(ClientCall& call, Event event,
                                  absl::AnyInvocable<void()> callback) ABSL_LOCKS_EXCLUDED(mutex_);
  // Drops the callbacks that have not been posted yet.
  void DropWaiters(ClientCall& call) ABSL_LOCKS_EXCLUDED(mutex_);
  // As Write, but returns nothing when it would have to wait for room, and does not wait until the
  // message has left.
  std::optional<bool> TryWrite(ClientCall& call, const MessageSource& message, bool end)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Drops the call's messages, those that are there and those to come: nobody will read them.
  void Discard(ClientCall& call) ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether Read, Write or Finish would return at once.
  bool Ready(const ClientCall& call, Event event) const ABSL_LOCKS_EXCLUDED(mutex_);

  // For the poller.
  Turn TakeTurn(InlineMark& mark) override ABSL_LOCKS_EXCLUDED(mutex_);
  Wake ArmReceive() override ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<Wake> ArmSend() override { return sender_.Arm(); }
  void ResumeSending() override ABSL_LOCKS_EXCLUDED(mutex_);
  Waiter::PollCost poll_cost() const override { return poll_cost_; }

  // Whether the server may have acted upon the request that was sent as the `ordinal`th, from 0. It
  // tells as it goes away.
  bool MayHaveTaken(uint64_t ordinal) const {
    return ordinal < taken_.load(std::memory_order_acquire);
  }

  const Limits& limits() const { return limits_; }
  // The beginning of messages about a call: the address and the method.
  std::string NameOf(const Method& method) const;
  // Whether the medium has taken a request from this session.
  bool proven() const { return proven_; }
  // Says why the session takes no calls any more. UNAVAILABLE while the connection only closes.
  absl::Status EndStatus() const ABSL_LOCKS_EXCLUDED(mutex_);
  const std::shared_ptr<const PeerIdentity>& peer() const { return peer_; }

 private:
  // At most this many frames are dispatched in one go by somebody who waits for none of them.
  static constexpr int kFramesPerTurn = 64;

  // An exchange of hellos by a poller.
  struct Greeting {
    Deadline deadline;
    std::function<void(const absl::Status&)> done;
  };

  // Stands in a shared slot for a call that has ended here while the server still owes a RESPONSE.
  // NOLINTNEXTLINE(performance-no-int-to-ptr): never dereferenced
  static inline ClientCall* const kAbandoned = reinterpret_cast<ClientCall*>(alignof(ClientCall));

  std::string NameOf(const ClientCall& call) const { return NameOf(*call.method_.method); }

  // client_session.cc
  // Why a call with so much metadata and such a first message cannot be started, or OK.
  absl::Status CheckStart(const Method& method, const ClientContext& context,
                          const MessageSource* first) const;
  absl::Status TooManyCalls(const Method& method) const;
  bool TakeId(ClientCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The call that a frame is for, or null when it is over here. A RESPONSE to such a call frees its
  // id.
  ClientCall* FindCall(const FrameHeader& header) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ParseInbox(ClientCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Notes that a message of `size` bytes has been parsed into the call's target, or not.
  void Parsed(ClientCall& call, const absl::Status& status, size_t size)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Consumed(ClientCall& call, size_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sends a message, or has the sender keep it. kFailed: the call or its sending side is over.
  Sent WriteNow(ClientCall& call, const MessageSource& message, bool end)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DiscardNow(ClientCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the call here and sends a CANCEL, unless the call is over.
  void Abandon(ClientCall& call, absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the call here.
  void End(ClientCall& call, absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Frees the call's id: the server's RESPONSE is here, so no frame of the call travels any more.
  void Release(const ClientCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // As FrameSender::Drop.
  bool DropUnsent(uint32_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AfterDrop() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes the shared slot of `id` free.
  void FreeId(uint32_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes a slot free, of which nobody takes frames any more.
  void FreeSlot(Slot& slot);
  void WakePump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for kRoom or kLeft.
  void AwaitSender(ClientCall& call, Event event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sees to it that somebody sends what `sent` says has not left.
  void AfterSend(Sent sent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Closes the connection. Every call ends with `status`.
  void Fail(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  // Calls on_end_, the first time.
  void NotifyEnd() ABSL_LOCKS_EXCLUDED(mutex_);

  // Says that something about `call` has changed: wakes the threads that wait for it, and posts the
  // callbacks whose event has come.
  void Changed(ClientCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Calls Changed for all calls with waiters: there may be room.
  void WakeAsyncWriters() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Opened(const ClientCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoLongerOpen(const ClientCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // client_handshake.cc
  // A turn of the exchange of hellos by a poller, or nothing if there is no such exchange.
  std::optional<Turn> TakeGreetingTurn() ABSL_LOCKS_EXCLUDED(mutex_);
  void SendHello();
  // One step of the exchange. Returns nothing while the server's hello has not come, else the
  // outcome.
  std::optional<absl::Status> HandshakeStep(Deadline deadline) ABSL_LOCKS_EXCLUDED(mutex_);

  // client_frames.cc
  // False: the server breaks the protocol, which ends the connection; violation_ says how.
  bool Dispatch(const Frame& frame, ClientCall* self) ABSL_LOCKS_EXCLUDED(mutex_);
  bool Violated(absl::Status violation);
  // Handles a whole message, or a frame without one, of the call that has the slot.
  void DispatchToSlot(Slot& slot, const FrameHeader& header, ConstByteSpan payload,
                      std::string* owned, ClientCall* self) ABSL_LOCKS_EXCLUDED(mutex_);
  // Handles the first piece of a message. False: it is not to be kept.
  bool BeginsFor(Slot& slot, const FrameHeader& header, ConstByteSpan payload)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // `owned` is the string that holds `payload`, which may be taken over, or null.
  void DispatchToCall(const FrameHeader& header, ConstByteSpan payload, std::string* owned,
                      ClientCall* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Deliver(ClientCall& call, ConstByteSpan message, std::string* owned, ClientCall* self)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool WithinLimit(const FrameHeader& header, ConstByteSpan payload, ClientCall& call)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // client_pump.cc
  bool IsReady(const ClientCall& call, Event event) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Passes the pump on to whoever needs it.
  void ReleasePump() ABSL_LOCKS_EXCLUDED(mutex_);
  void SetUnsent(bool unsent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Waits for `event`, leading or following. At the call's deadline the call ends. A call's reader
  // and writer may be two threads, and only the reader, whose target it is, may parse the call's
  // messages in place. Hence the role.
  enum class Role { kReader, kOther };
  void Await(ClientCall& call, Event event, Role role) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Pumps until `event` or the call's deadline. `self` is the call whose messages this thread may
  // parse in place, its own, or null.
  void Lead(ClientCall& call, Event event, ClientCall* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Dispatches what has arrived, without waiting. By whoever has just taken the pump, which it
  // gives back.
  void PumpWhatArrived(ClientCall* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Gives the session to the poller if nobody pumps and there is something for the poller to do.
  void HandOver() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Wakes those who wait for room: what waited in the sender has left.
  void WakeWriters() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Wakes a follower, who leads, if nobody pumps.
  void PromoteFollower() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Handles one frame, or makes one attempt to send what waits. False: there was nothing to do.
  // Only whoever has the pump may call it.
  bool Pump(ClientCall* self) ABSL_LOCKS_EXCLUDED(mutex_);
  // Pumps what has come, a bounded number of frames, up to the end of the leader's own unary call.
  // Returns how many.
  int PumpSome(ClientCall* self) ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether Pump may find something, as far as one load tells.
  bool MayFind() const;
  // Pumps until something has been found, as long as the waiter says. False: sleep.
  bool PumpOrLookOut(ClientCall* self) ABSL_LOCKS_EXCLUDED(mutex_);
  // Sleeps until there may be something to do, or until Interrupt or `deadline`. Releases the mutex
  // meanwhile.
  void Sleep(Deadline deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Looks at a connection that nobody has looked at for a while, before it is relied on at `now`.
  void NoticeDeath(int64_t now) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::unique_ptr<Connection> connection_;
  const std::string name_;
  const Limits limits_;
  const WaitPolicy wait_;
  const Waiter::PollCost poll_cost_;
  const bool own_loop_;  // the program drives poller_, from ChannelOptions::event_loop
  std::function<void()> on_end_;
  std::weak_ptr<const void> owner_;
  const std::shared_ptr<const PeerIdentity> peer_;
  const UniqueFd interrupt_;
  Hello server_;  // the server's hello; written during the handshake only
  FrameSender sender_;

  // Only whoever pumps touches these.
  FrameReceiver receiver_;
  Waiter waiter_;
  Assembler assembler_;
  UnaryCall* own_ = nullptr;  // the leader's, if it makes a unary call
  absl::Status violation_;

  // Needed by followers that sleep, by what is unsent, and by calls with waiters.
  PumpToken pump_token_;
  SlotTable slots_;
  std::atomic<bool> going_away_ = false;
  bool closed_ ABSL_GUARDED_BY(sender_.mutex()) = false;  // dead: no slot is claimed any more
  // How many requests have been sent, in the order in which they leave. Exact, unless one was
  // dropped before it left.
  uint64_t requests_ ABSL_GUARDED_BY(sender_.mutex()) = 0;
  bool requests_are_exact_ ABSL_GUARDED_BY(sender_.mutex()) = true;
  // As the server's GO_AWAY says, if it can be relied on.
  std::atomic<uint64_t> taken_ = UINT64_MAX;
  // When somebody last received on the connection, or was about to; steady nanoseconds.
  std::atomic<int64_t> last_looked_ = 0;

  mutable Mutex mutex_;
  std::unique_ptr<Greeting> greeting_ ABSL_GUARDED_BY(mutex_);
  std::weak_ptr<Poller> poller_ ABSL_GUARDED_BY(mutex_);
  // The same poller, once HandOver has left something to it, until LetGo. The reference keeps the
  // poller's thread alive. Null with an event loop of the program's.
  std::shared_ptr<Poller> pump_ ABSL_GUARDED_BY(mutex_);
  bool unsent_ ABSL_GUARDED_BY(mutex_) = false;  // something waits in the sender, or has just left
  bool let_go_ ABSL_GUARDED_BY(mutex_) = false;
  int open_async_ ABSL_GUARDED_BY(mutex_) = 0;  // calls with waiters that are not over
  bool sleeping_ ABSL_GUARDED_BY(mutex_) = false;
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  bool end_notified_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status dead_ ABSL_GUARDED_BY(mutex_);
  std::string farewell_ ABSL_GUARDED_BY(mutex_);  // what the server's GO_AWAY said
  // How many callers wait for the sender. Any thread's send may empty it, not only the pump's.
  std::atomic<int> writers_waiting_ = 0;
  std::atomic<bool> proven_ = false;
  std::vector<ClientCall*> followers_ ABSL_GUARDED_BY(mutex_);
  std::vector<Slot*> parked_ ABSL_GUARDED_BY(mutex_);  // of unary calls that follow and sleep
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_CLIENT_SESSION_H_
