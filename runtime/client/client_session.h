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
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/runtime/call/assembler.h"
#include "nigh/runtime/call/frame_sender.h"
#include "nigh/runtime/client/client_call.h"
#include "nigh/runtime/loop/pollable.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transport/waiter.h"

namespace nigh {

// The client's end of one connection: its calls, and the pump that moves their frames.
//
// Threads. There is no thread of its own. A caller that has to wait and finds nobody pumping leads:
// it receives and dispatches, completing others' calls on the way, until its own wait is over; then
// one of those who wait takes its place. (Leader/followers: Schmidt et al., "Leader/Followers",
// 2000.) A lone caller thus sends its request and parses its own reply with no hand-off.
//
// While calls are open that nobody waits for in a thread, or something waits for room that no
// caller waits for, a poller pumps whenever no caller does. A caller that begins to lead takes the
// pump from it and gives it back when it leaves. Callbacks are the poller's tasks, never the
// leader's.
//
// Locks. mutex_ guards the calls; it is taken before the sender's and never held while user code
// runs or a thread sleeps. The receiving half of the connection belongs to whoever pumps.
class ClientSession final : public Pollable, public std::enable_shared_from_this<ClientSession> {
 public:
  using Event = CallEvent;

  // `name`: the address, for messages.
  ClientSession(std::unique_ptr<Connection> connection, std::string name,
                const ChannelOptions& options);
  ~ClientSession() override;

  // To be called first. UNAVAILABLE when the system has no descriptor to give.
  absl::Status Open() const;

  // `callback` is called once, with no lock held, when the session takes no new calls any more. To
  // be set before Handshake.
  void OnEnd(std::function<void()> callback) { on_end_ = std::move(callback); }

  // Exchanges hellos. By the connecting thread, before any other use. `abandon` is asked after
  // every Interrupt. Fails with UNAVAILABLE; the message tells why.
  absl::Status Handshake(Deadline deadline, const std::function<bool()>& abandon);
  // The same without waiting: `poller` does it, and calls `done` with no lock held.
  void HandshakeOn(const std::shared_ptr<Poller>& poller, Deadline deadline,
                   std::function<void(const absl::Status&)> done);
  // Ends everything. Any thread.
  void Close() { connection_->Close(); }
  // No more calls will come. When those there are are over, the hang-up says what has not left.
  void LetGo() ABSL_LOCKS_EXCLUDED(mutex_);

  // Wakes the pump from its sleep, for it to look around.
  void Interrupt() ABSL_LOCKS_EXCLUDED(mutex_);

  // Opens `call`. False: this session takes no new calls and nothing of this one has left; try
  // another.
  bool Start(ClientCall& call, const MessageSource* first, bool end) ABSL_LOCKS_EXCLUDED(mutex_);

  // The rest of a call's life; see ClientCall.
  bool Write(ClientCall& call, const MessageSource& message, bool end) ABSL_LOCKS_EXCLUDED(mutex_);
  bool WritesDone(ClientCall& call) ABSL_LOCKS_EXCLUDED(mutex_);
  bool Read(ClientCall& call, MessageTarget target) ABSL_LOCKS_EXCLUDED(mutex_);
  void WaitForInitialMetadata(ClientCall& call) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Finish(ClientCall& call) ABSL_LOCKS_EXCLUDED(mutex_);
  // The caller will wait for nothing of it any more. Any thread.
  void Cancel(ClientCall& call, absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

  // For calls with waiters. Posts `callback` to their poller once `event` has come. Returns the one
  // that waited for it before.
  absl::AnyInvocable<void()> When(ClientCall& call, Event event,
                                  absl::AnyInvocable<void()> callback) ABSL_LOCKS_EXCLUDED(mutex_);
  // What has not been posted yet never will be.
  void DropWaiters(ClientCall& call) ABSL_LOCKS_EXCLUDED(mutex_);
  // As Write, or nothing when it would have to wait for room; what does not fit leaves later.
  std::optional<bool> TryWrite(ClientCall& call, const MessageSource& message, bool end)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Nobody will read the call's messages any more.
  void Discard(ClientCall& call) ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether Read, Write or Finish would return at once.
  bool Ready(const ClientCall& call, Event event) const ABSL_LOCKS_EXCLUDED(mutex_);

  // For the poller.
  Turn TakeTurn(InlineMark& mark) override ABSL_LOCKS_EXCLUDED(mutex_);
  Wake ArmReceive() override ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<Wake> ArmSend() override { return sender_.Arm(); }
  void ResumeSending() override ABSL_LOCKS_EXCLUDED(mutex_);
  Waiter::PollCost poll_cost() const override { return connection_->poll_cost(); }

  // Whether the medium has taken a request of it.
  bool proven() const { return proven_; }
  // Why the session takes no calls any more.
  absl::Status EndStatus() const ABSL_LOCKS_EXCLUDED(mutex_);
  const std::shared_ptr<const PeerIdentity>& peer() const { return peer_; }

 private:
  // An exchange of hellos that a poller does.
  struct Greeting {
    Deadline deadline;
    std::function<void(const absl::Status&)> done;
  };

  // Stands in calls_ where the server still owes a RESPONSE to a call that nobody here waits for.
  // NOLINTNEXTLINE(performance-no-int-to-ptr): never dereferenced
  static inline ClientCall* const kAbandoned = reinterpret_cast<ClientCall*>(alignof(ClientCall));

  // Begins messages about the call.
  std::string NameOf(const ClientCall& call) const;

  // client_session.cc
  bool CheckStart(ClientCall& call, const MessageSource* first)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool TakeId(ClientCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The call that a frame is for; null when it is over here, which a RESPONSE makes final.
  ClientCall* FindCall(const FrameHeader& header) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ParseInbox(ClientCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The call's target has been filled, or could not be.
  void Parsed(ClientCall& call, const absl::Status& status, size_t size)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Consumed(ClientCall& call, size_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Fails when nothing of it was sent; whether it has left otherwise.
  absl::StatusOr<bool> WriteNow(ClientCall& call, const MessageSource& message, bool end)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DiscardNow(ClientCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the call here and tells the server.
  void Abandon(ClientCall& call, absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the call here.
  void End(ClientCall& call, absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The server's RESPONSE is there: nothing of the call travels any more.
  void Release(const ClientCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // As FrameSender::Drop.
  bool DropUnsent(uint32_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FreeId(uint32_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakePump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for kRoom or kLeft.
  void AwaitSender(ClientCall& call, Event event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AfterSend(const absl::StatusOr<bool>& sent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The connection is no more; every call ends with `status`.
  void Fail(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  void NotifyEnd() ABSL_LOCKS_EXCLUDED(mutex_);

  // Something about `call` has changed: whoever waits for it looks, or is called.
  void Changed(ClientCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Changed, for all calls with waiters: there may be room.
  void WakeAsyncWriters() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Opened(const ClientCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoLongerOpen(const ClientCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // client_handshake.cc
  // Nothing while the hellos are still being exchanged.
  std::optional<Turn> TakeGreetingTurn() ABSL_LOCKS_EXCLUDED(mutex_);
  void SendHello();
  // One step of the exchange. Nothing: the server's hello has not come.
  std::optional<absl::Status> HandshakeStep(Deadline deadline) ABSL_LOCKS_EXCLUDED(mutex_);

  // client_pump.cc
  bool IsReady(const ClientCall& call, Event event) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for `event`, leading or following, until the call's deadline, which ends it. Who waits
  // matters, for a reader and a writer of one call may be two threads: only the reader, whose
  // target it is, may parse the call's messages in place.
  enum class Role { kReader, kOther };
  void Await(ClientCall& call, Event event, Role role) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // `self`: the call whose messages this thread may parse in place, its own; or null.
  void Lead(ClientCall& call, Event event, ClientCall* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Dispatches what has arrived, without waiting. Nobody else may be pumping.
  void PumpWhatArrived(ClientCall* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // If nobody leads, the poller is to pump if it has a reason to.
  void HandOver() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What waited for room has left.
  void WakeWriters() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PromoteFollower() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // One frame, or one attempt to send what waits. False: there was nothing to do. By the pump only.
  bool Pump(ClientCall* self) ABSL_LOCKS_EXCLUDED(mutex_);
  // Sleeps until there may be something to do, until Interrupt or `deadline`.
  void Sleep(Deadline deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoticeDeath() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Dispatch(const Frame& frame, ClientCall* self) ABSL_LOCKS_EXCLUDED(mutex_);
  // `owned`: the string that holds `payload`, to be taken over, if there is one.
  absl::Status DispatchToCall(const FrameHeader& header, ConstByteSpan payload, std::string* owned,
                              ClientCall* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Deliver(ClientCall& call, ConstByteSpan message, std::string* owned, ClientCall* self)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool WithinLimit(const FrameHeader& header, ConstByteSpan payload, ClientCall& call)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<Connection> connection_;
  const std::string name_;
  const Limits limits_;
  const bool own_loop_;  // of the program's: poller_ is given
  std::function<void()> on_end_;
  const std::shared_ptr<const PeerIdentity> peer_;
  const UniqueFd interrupt_;
  Hello server_;  // what it announced; written by Handshake only
  FrameSender sender_;

  // The pump's own.
  Waiter waiter_;
  Assembler assembler_;

  mutable Mutex mutex_;
  bool pumping_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<Greeting> greeting_ ABSL_GUARDED_BY(mutex_);
  std::weak_ptr<Poller> poller_ ABSL_GUARDED_BY(mutex_);
  // The same once something was left to it, until LetGo, where its thread is for those who need
  // one.
  std::shared_ptr<Poller> pump_ ABSL_GUARDED_BY(mutex_);
  bool unsent_ ABSL_GUARDED_BY(mutex_) = false;  // something waits in the sender, or has just left
  bool let_go_ ABSL_GUARDED_BY(mutex_) = false;
  int open_async_ ABSL_GUARDED_BY(mutex_) = 0;  // calls with waiters that are not over
  bool sleeping_ ABSL_GUARDED_BY(mutex_) = false;
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  bool going_away_ ABSL_GUARDED_BY(mutex_) = false;
  bool end_notified_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status dead_ ABSL_GUARDED_BY(mutex_);
  // When somebody last received on the connection; steady nanoseconds.
  int64_t last_looked_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string farewell_ ABSL_GUARDED_BY(mutex_);  // what the server's GO_AWAY said
  // Callers that wait for the sender, which other threads' sends can empty as well as the pump.
  std::atomic<int> writers_waiting_ = 0;
  std::atomic<bool> proven_ = false;
  // By call id. A call that has ended here while the server still has to say so is `kAbandoned`.
  std::vector<ClientCall*> calls_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint32_t> free_ids_ ABSL_GUARDED_BY(mutex_);
  std::vector<ClientCall*> followers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_CLIENT_SESSION_H_
