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
#include "nigh/async_stream.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/runtime/call/call_state.h"
#include "nigh/runtime/call/fifo.h"
#include "nigh/runtime/call/frame_sender.h"
#include "nigh/runtime/call/used_context.h"
#include "nigh/runtime/call/window.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/client/reply_reader.h"
#include "nigh/runtime/client/slot.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {

// What a call has besides if nobody waits for it in a thread: the poller that runs its callbacks,
// and the callbacks that wait, by event. The exchange's mutex guards the callbacks.
struct CallWaiters {
  std::shared_ptr<Poller> poller;
  std::array<absl::AnyInvocable<void()>, kCallEvents> callbacks;
};

// One call of any kind on one session, without types: what has been sent and what has been
// received. It ends when the server says so, when it is given up here, or with the connection.
//
// Threads. One thread reads and one writes at a time; both may be the same. Any thread may call
// Cancel. The receiver hands it frames. mutex_ guards all that they share. Serialising and sending
// are done under it, so that nothing of a call can follow its end; parsing is not.
class ClientExchange {
 public:
  using Event = CallEvent;

  ClientExchange(const Method& method, const UsedContext& context);
  ClientExchange(const ClientExchange&) = delete;
  ClientExchange& operator=(const ClientExchange&) = delete;
  // The call must be over, or not open.
  ~ClientExchange();

  // Says in advance where the first message goes, so that it can be parsed in place, with no copy.
  // To be called before Open, or by the reader.
  void Expect(MessageTarget target);
  // Nobody waits for the call in a thread. Before Open.
  void SetWaiters(CallWaiters* waiters) { waiters_ = waiters; }

  // Opens the call on `session`, which must stay, with its first message unless that is null.
  // `end`: no more messages follow. False: the session takes no new calls, and nothing of this one
  // has left; it may be opened on another. True: Finish tells whether it has failed already.
  bool Open(ClientSession& session, uint16_t method_id, const MessageSource* first, bool end);
  // Ends a call that is not open.
  void FailToOpen(absl::Status status);
  // Whether the call is over without any handler having seen it, as the server says. If so, it may
  // be opened again, on another session. By the call's only thread.
  bool ReopenIfNeverBegun();
  // What a call that is over has ended with, and whether without any message; then it may be opened
  // again, too.
  struct Outcome {
    absl::Status status;
    bool silent = false;
    bool answered = false;  // the server has said so
  };
  Outcome outcome() const;
  void Reopen();

  // As those of ClientCall. They block.
  bool Write(const MessageSource& message, bool end);
  bool WritesDone();
  bool Read(MessageTarget target);
  void WaitForInitialMetadata();
  absl::Status Finish();
  // Ends the call with `status`, and tells the server. Nothing happens if the call is over.
  void Cancel(absl::Status status);

  // For calls with waiters.

  // Posts `callback` to the call's poller once `event` has come. Returns the callback that waited
  // for `event` before.
  absl::AnyInvocable<void()> When(Event event, absl::AnyInvocable<void()> callback);
  // Drops the callbacks that have not been posted yet.
  void DropWaiters();
  // As Write, but returns nothing when it would have to wait for room, and does not wait until the
  // message has left.
  std::optional<bool> TryWrite(const MessageSource& message, bool end);
  // Drops the call's messages, those that are there and those to come: nobody will read them.
  void Discard();
  // Whether Read, Write or Finish would return at once.
  bool Ready(Event event) const;

  // For the receiver, which has taken the call's slot. Each ends the take.

  // Takes a whole message, or a frame without one. `owned` is the string that holds `payload`,
  // which may be taken over, or null. `in_place`: this is the reader's own thread.
  void Take(const FrameHeader& header, ConstByteSpan payload, std::string* owned, bool in_place);
  // A message of `size` bytes has begun; `last`: that of the RESPONSE. False: it is not to be kept.
  bool Accepts(size_t size, bool last);
  // False: that is more credit than any window.
  bool TakeCredit(uint64_t bytes);
  // The connection is over.
  void Lose(const absl::Status& status);

 private:
  // Who waits. Only the reader, whose target it is, may parse messages in place.
  enum class Role { kReader, kOther };
  class Wait;

  // Makes a call that is closed one that is not open.
  void Renew() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
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
  void PassOn();

  // Sends a message, or has the sender keep it. kFailed: the call or its sending side is over.
  Sent WriteNow(const MessageSource& message, bool end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DiscardNow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Deliver(ConstByteSpan message, std::string* owned, bool in_place)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ParseInbox() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Has protobuf parse a message into the target, without the mutex.
  void Parse(ConstByteSpan message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Consumed(size_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Ends the call here, for its threads. Whoever has the slot gives it up.
  void End(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the call here and sends a CANCEL, unless the call is over.
  void Abandon(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // By the receiver, in a take.
  void TakeReply(const FrameHeader& header, ConstByteSpan payload, std::string* owned,
                 bool in_place) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Gives the slot back to the call; or up, if that is over; or free, if the server has answered.
  void EndTake(bool answered) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The slot is not this call's any more.
  void LoseSlot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  ClientLink& link() const { return session_->link(); }
  std::string Name() const { return link().NameOf(method_); }

  const BirthProcess birth_;
  const Method& method_;
  const UsedContext& context_;
  // Written by Open, before anybody else knows the call. Null: it is not open.
  ClientSession* session_ = nullptr;
  CallWaiters* waiters_ = nullptr;  // the AsyncClientCall's
  // Counts up whenever something has changed, for threads that look out for it.
  std::atomic<uint32_t> changes_ = 0;

  mutable Mutex mutex_;
  CondVar slot_lost_;  // slot_ has become null
  CallState state_ ABSL_GUARDED_BY(mutex_);
  // From Open until the number is free, given up, or lost. The receiver may still have it when the
  // call is over.
  Slot* slot_ ABSL_GUARDED_BY(mutex_) = nullptr;
  uint64_t ordinal_ ABSL_GUARDED_BY(mutex_) = 0;      // of its request on the session
  bool answered_ ABSL_GUARDED_BY(mutex_) = false;     // by the server
  bool never_begun_ ABSL_GUARDED_BY(mutex_) = false;  // it says so
  ReplyReader reader_ ABSL_GUARDED_BY(mutex_);
  MessageTarget target_ ABSL_GUARDED_BY(mutex_);  // where the reader wants the next message
  // The target holds a message that Read has not returned yet.
  bool target_filled_ ABSL_GUARDED_BY(mutex_) = false;
  bool discard_ ABSL_GUARDED_BY(mutex_) = false;     // nobody will read any more
  Fifo<std::string> inbox_ ABSL_GUARDED_BY(mutex_);  // messages that came before they were wanted
  Window window_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);        // final once state_.closed()
  Wait* waits_ ABSL_GUARDED_BY(mutex_) = nullptr;      // a list of the threads that wait
  bool attached_ ABSL_GUARDED_BY(mutex_) = false;      // the poller is, for this call
  bool awaits_room_ ABSL_GUARDED_BY(mutex_) = false;   // a task waits for it at the pump
  bool awaited_room_ ABSL_GUARDED_BY(mutex_) = false;  // one has
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_CLIENT_EXCHANGE_H_
