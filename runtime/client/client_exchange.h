#ifndef NIGH_RUNTIME_CLIENT_CLIENT_EXCHANGE_H_
#define NIGH_RUNTIME_CLIENT_CLIENT_EXCHANGE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "nigh/async_stream.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/runtime/base/fifo.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/call_state.h"
#include "nigh/runtime/call/frame_sender.h"
#include "nigh/runtime/call/used_context.h"
#include "nigh/runtime/call/window.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/client/reply_reader.h"
#include "nigh/runtime/client/sent_messages.h"
#include "nigh/runtime/client/slot.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"

namespace nigh {

// What a call has besides if nobody waits for it in a thread: the poller that runs its callbacks,
// and the callbacks that wait, by event. The exchange's mutex guards the callbacks.
struct CallWaiters {
  std::shared_ptr<Poller> poller;
  std::array<absl::AnyInvocable<void()>, kCallEvents> callbacks;
};

// One call of any kind, without types: what has been sent and what has been received. It is on one
// session at a time, and ends when the server says so, when it is given up here, or with the
// connection.
//
//                    Open                     the reply's end, Cancel
//   waiting --------------------------> open --------------------------> over
//      ^ |            lost, unanswered   |                                 ^
//      | +-------------------------------|------- Settle, Cancel ---------+
//      +---------------------------------+
//
// A call that waits for a session waits for its first, or for another one: the server has gone away
// before a handler has seen the call, or the channel may repeat it. What it has sent is kept until
// anything of the reply has come, and sent again. Its callers notice nothing of that: nothing is
// ready meanwhile.
//
// Threads. One thread reads and one writes at a time; both may be the same. Any thread may call
// Cancel. The receiver hands it frames. mutex_ guards all that they share. Serialising and sending
// are done under it, so that nothing of a call can follow its end; parsing is not.
class ClientExchange {
 public:
  using Event = CallEvent;
  // What the server, or the end of the connection, has ended an attempt with.
  struct End {
    const absl::Status& status;
    bool answered = false;     // the server has said so; otherwise the connection is over
    bool never_begun = false;  // no handler has seen the call
    bool may_reopen = false;   // nothing of a reply has come, and all that was sent is kept
  };
  // Says after which pause a call that has ended so begins anew; nothing: it does not. Asked once
  // for each attempt, with the exchange's mutex held.
  using Judge = absl::AnyInvocable<std::optional<absl::Duration>(const End& end)>;
  // Sees to it that a call that waits for a session is opened, or settled. Runs with no lock held:
  // in a thread that waits for the call, one at a time, and may block; for a call with waiters, as
  // a task of their poller.
  using Opener = absl::AnyInvocable<void()>;

  ClientExchange(const Method& method, const UsedContext& context, Judge judge, Opener opener);
  ClientExchange(const ClientExchange&) = delete;
  ClientExchange& operator=(const ClientExchange&) = delete;
  // The call must be over, or not open.
  ~ClientExchange();

  // Before the call is opened.

  // Says in advance where the first message goes, so that it can be parsed in place, with no copy.
  // By the reader also later.
  void Expect(MessageTarget target);
  // Nobody waits for the call in a thread.
  void SetWaiters(CallWaiters* waiters) { waiters_ = waiters; }
  // Takes its first message, unless that is null. `end`: no more messages follow. `lasts`: the
  // message outlives the call.
  void Begin(const MessageSource* first, bool end, bool lasts);

  // The opener's.

  // Has a thread that waits run it.
  void AwaitSession();
  // Opens the call on `session` and sends what it has sent before. False: the session takes no new
  // calls, and nothing of this one has left. True: it has taken over `session`, or the call has
  // been given up meanwhile; Finish tells.
  bool Open(std::shared_ptr<ClientSession>& session, uint16_t method_id);
  // Ends a call that waits for a session, and gets none. Nothing happens if it does not.
  void Settle(absl::Status status);
  bool waits_for_session() const;
  // How a call that waits is to be opened.
  struct Beginning {
    absl::Status lost_by;  // what the last attempt has ended with
    absl::Duration pause;
    std::shared_ptr<ClientSession> refused_by;  // to be retired; or null
  };
  Beginning beginning() const;

  // As those of ClientCall. They block.
  bool Write(const MessageSource& message, bool end);
  bool WritesDone();
  bool Read(MessageTarget target);
  void WaitForInitialMetadata();
  absl::Status Finish();
  // Ends the call with `status`, and tells the server. Nothing happens if the call is over. False:
  // a thread is opening the call; it ends once that thread returns.
  bool Cancel(absl::Status status);

  // For calls with waiters.

  // Posts `callback` to the call's poller once `event` has come. Returns the callback that waited
  // for `event` before; or `callback`, after DropWaiters.
  absl::AnyInvocable<void()> When(Event event, absl::AnyInvocable<void()> callback);
  // Drops the callbacks that have not been posted yet, and those to come.
  void DropWaiters();
  // As Write, but returns nothing when it would have to wait for room, and does not wait until the
  // message has left.
  std::optional<bool> TryWrite(const MessageSource& message, bool end);
  // Drops the call's messages, those that are there and those to come: nobody will read them.
  void Discard();
  // Whether Read, Write or Finish would return at once.
  bool Ready(Event event) const;

  // For the receiver, which has taken the call's slot. Each ends the take.

  // Takes a whole message, or a frame without one. `extras` may be null. `in_place`: this is the
  // reader's own thread.
  void Take(const FrameHeader& header, ConstByteSpan payload, FrameExtras* extras, bool in_place);
  // A payload of `sizes` has begun; `last`: that of the RESPONSE. False: it is not to be kept.
  bool Accepts(const PayloadSizes& sizes, bool last);
  // False: that is more credit than any window.
  bool TakeCredit(uint64_t bytes);
  // The connection is over.
  void Lose(const absl::Status& status);

 private:
  struct Message {
    PayloadBuffer bytes;
    std::shared_ptr<Extras> extras;  // that came with it; or null
  };
  // Who waits. Only the reader, whose target it is, may parse messages in place.
  enum class Role { kReader, kOther };
  class Wait;

  // Sends the REQUEST on session_. False: the session takes no new calls.
  bool SendRequest(uint16_t method_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sends what the call has sent on another session after its first message.
  void SendTheRestAgain() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AwaitSessionNow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SettleNow(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsReady(Event event) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for `event`. At the call's deadline the call ends.
  void Await(Event event, Role role) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Something has changed: wakes the threads that wait, and posts the callbacks whose event has
  // come.
  void Changed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PostReadyCallbacks() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for kRoom or kLeft.
  void AwaitSender(Event event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sees to what may have been left behind by a thread that waits no more.
  void PassOn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Looks whether the server is still there before it is relied on.
  void NoticeDeath() ABSL_LOCKS_EXCLUDED(mutex_);

  // Sends a message, or has the sender keep it. kFailed: the call or its sending side is over.
  Sent WriteNow(const MessageSource& message, bool end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // `extras` may be null.
  Sent SendMessage(const MessageSource& message, const Extras* extras, bool end)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What has been kept is not lost where the session has not taken it.
  Sent Kept(Sent sent) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return sent == Sent::kFailed && sent_.complete() ? Sent::kAll : sent;
  }
  void DiscardNow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Deliver(Reply reply, const FrameExtras* extras, bool in_place)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ParseInbox() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Has protobuf parse a message into the target, without the mutex. The reader may take what came
  // with it, if anything did, out of the context.
  void Parse(ConstByteSpan message, std::shared_ptr<Extras> extras)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Consumed(size_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Closes the call on this session, for its threads. Whoever has the slot gives it up.
  void Close(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The server, or the end of the connection, has ended the call on this session: it is over, or is
  // to be opened on another.
  void EndAttempt(absl::Status status, bool answered, bool never_begun)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The session has no work for this call any more.
  void LetGoOfPump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the call here and sends a CANCEL, unless the call is over.
  void Abandon(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // By the receiver, in a take.
  // Something of the reply has come: the call is not opened again.
  void NoteReply() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (sent_.complete()) sent_.Drop();
  }
  void TakeReply(const FrameHeader& header, ConstByteSpan payload, FrameExtras* extras,
                 bool in_place) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Gives the slot back to the call; or up, if that is over; or free, if the server has answered.
  void EndTake(bool answered) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The slot is not this call's any more.
  void LoseSlot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  ClientLink& link() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return session_->link(); }
  std::string Name() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return link().NameOf(method_); }

  const BirthProcess birth_;
  const Method& method_;
  const UsedContext& context_;
  Judge judge_ ABSL_GUARDED_BY(mutex_);
  Opener opener_;
  CallWaiters* waiters_ = nullptr;  // the AsyncClientCall's
  // Counts up whenever something has changed, for threads that look out for it.
  std::atomic<uint32_t> changes_ = 0;

  mutable Mutex mutex_;
  CondVar slot_lost_;  // slot_ has become null
  CondVar opened_;     // opening_ has become false
  // The one that the call is on, or was on last; null: none yet. Written by Open.
  std::shared_ptr<ClientSession> session_ ABSL_GUARDED_BY(mutex_);
  bool waiting_ ABSL_GUARDED_BY(mutex_) = true;   // for a session
  bool opening_ ABSL_GUARDED_BY(mutex_) = false;  // a thread runs the opener
  absl::Duration pause_ ABSL_GUARDED_BY(mutex_);  // before it
  bool refused_ ABSL_GUARDED_BY(mutex_) = false;  // session_ has, and is to be retired
  SentMessages sent_ ABSL_GUARDED_BY(mutex_);
  // What the call is to end with, instead of being opened.
  absl::Status cancelled_ ABSL_GUARDED_BY(mutex_);
  CallState state_ ABSL_GUARDED_BY(mutex_);
  // From Open until the number is free, given up, or lost. The receiver may still have it when the
  // call is over.
  Slot* slot_ ABSL_GUARDED_BY(mutex_) = nullptr;
  uint64_t ordinal_ ABSL_GUARDED_BY(mutex_) = 0;  // of its request on the session
  ReplyReader reader_ ABSL_GUARDED_BY(mutex_);
  MessageTarget target_ ABSL_GUARDED_BY(mutex_);  // where the reader wants the next message
  // The target holds a message that Read has not returned yet.
  bool target_filled_ ABSL_GUARDED_BY(mutex_) = false;
  bool discard_ ABSL_GUARDED_BY(mutex_) = false;  // nobody will read any more
  Fifo<Message> inbox_ ABSL_GUARDED_BY(mutex_);   // messages that came before they were wanted
  Window window_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);       // final once the call is over
  Wait* waits_ ABSL_GUARDED_BY(mutex_) = nullptr;     // a list of the threads that wait
  bool attached_ ABSL_GUARDED_BY(mutex_) = false;     // the poller is, for this call
  bool awaits_room_ ABSL_GUARDED_BY(mutex_) = false;  // a task waits for it at the pump
  bool posted_ ABSL_GUARDED_BY(mutex_) = false;       // a task of this call may be at the poller
  bool dropped_ ABSL_GUARDED_BY(mutex_) = false;      // nobody waits for callbacks any more
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_CLIENT_EXCHANGE_H_
