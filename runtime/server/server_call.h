#ifndef NIGH_RUNTIME_SERVER_SERVER_CALL_H_
#define NIGH_RUNTIME_SERVER_SERVER_CALL_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message_lite.h"
#include "nigh/message_extras.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/call_state.h"
#include "nigh/runtime/call/window.h"
#include "nigh/runtime/loop/task_queue.h"
#include "nigh/runtime/server/served_context.h"
#include "nigh/runtime/server/server_link.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/server_stream.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"

namespace nigh {

struct HandlerArguments;
class InterceptedServerCall;
struct Method;
struct MethodHandler;
class RegisteredMethod;
class RunningTask;
class ServerSession;
template <class Call>
class Interception;

// One call of any kind, as its server sees it: the type-erased machine below handlers and their
// streams. A session makes it, uses it for one request after another of the same method, and routes
// frames to it.
//
// Whose it is. Between requests it belongs to the session. From Open on, it belongs to whoever runs
// its handler, who gives it back at the end. Meanwhile the session's role may give it frames, and
// any thread may end it.
//
// How it ends. A handler that returns, a CANCEL, a deadline, an Abort and a server that shuts down
// may all answer the client. phase_ decides between them: whoever takes it from kOpen sends the
// RESPONSE. The call's number is free from then on, for the client may use it as soon as it has
// that RESPONSE; the call itself is free when its handler has given it back.
//
// A unary call that its handler answers takes no lock. mutex_ guards what a stream has besides. It
// is not held while user code runs or a message is parsed.
class ServerCall final : public HandlerCall {
 public:
  // What a call takes without its messages, in bytes; and a parsed message at most, for each byte
  // on the wire: an empty submessage has two there, and is an object of 32 to 64 bytes with what
  // malloc adds, and a pointer.
  static constexpr size_t kOwnBytes = 2048;
  static constexpr size_t kParsedPerByte = 36;
  // Messages of more bytes are kept with a spare call for a while only, and are charged as spare.
  static constexpr size_t kLargeMessage = size_t{64} << 10;

  // `session` outlives the call. `description`: as handlers see the method.
  ServerCall(ServerSession& session, RegisteredMethod& method, const Method& description,
             uint16_t method_id);
  ~ServerCall();

  // For the handler; see HandlerCall.
  bool Read(MessageTarget target) override;
  bool Write(MessageSource message) override;
  void SendInitialMetadata() override ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasSoleRequest() const override ABSL_LOCKS_EXCLUDED(mutex_);
  void Finish(absl::Status status) override;
  void Abort(const absl::Status& status) override ABSL_LOCKS_EXCLUDED(mutex_);
  void WatchDeadline() override;
  absl::StatusOr<AttachmentBuffer> AllocateAttachment(size_t size) override;
  bool Ready(Event event) const override ABSL_LOCKS_EXCLUDED(mutex_);
  void When(Event event, absl::AnyInvocable<void()> callback) override ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<bool> TryWrite(const google::protobuf::MessageLite& message) override {
    return TryWrite(MessageSource(message));
  }
  std::optional<bool> TryWrite(MessageSource message);

  // For whoever runs the handler: runs it, sends the response, and settles the call. Returns the
  // call, for the session to take back. A coroutine gets as far as its first wait and owns the
  // call; nothing is returned then, nor where somebody else still uses the call, who gives it back.
  static std::unique_ptr<ServerCall> Serve(std::unique_ptr<ServerCall> call);

  // For the session, in its role.
  //
  // Takes a REQUEST of `payload`: its deadline, metadata and message, and what it needs of what has
  // come with it. An error says why it is refused.
  absl::Status TakeRequest(const FrameHeader& header, ConstByteSpan payload, FrameExtras& frame);
  // Whether the request, or what is attached to it, is so long that a handler takes its time.
  bool has_long_request() const {
    return request_size_ > kLargeMessage ||
           (CallExtras::HasReceived(context_) && context_.attachment().size() > kLargeMessage);
  }
  // Whether such a request is charged as it is taken, and not only when its call lasts.
  static bool IsCharged(const FrameHeader& header, size_t payload) {
    return payload > kShortRequest || (header.flags & kSections) != 0;
  }
  // Charges the link for a call that may be there after the poller's turn: for itself, and for its
  // request if that is short. Fails if that is too much.
  absl::Status ChargeLasting();
  // Becomes the open call `id`, whose request has been taken.
  void Open(uint32_t id);
  // Whether the handler may run. If it may not, the client is told so as the call ends, and makes
  // it elsewhere. In the role, before the call is counted: whoever ends all calls refuses further
  // ones first (CallCount), so it sees this of every one that was counted.
  void SetBegun(bool begun) { begun_.store(begun, std::memory_order_relaxed); }
  // Whether the client still waits for the answer of call id().
  bool is_open() const { return phase_.load(std::memory_order_acquire) == Phase::kOpen; }
  // Takes a MESSAGE frame, and what it needs of what has come with it. A call that the frame breaks
  // ends.
  void TakeMessage(const FrameHeader& header, ConstByteSpan payload, FrameExtras& frame)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes a CREDIT frame. False: it grants more than any window could mean.
  bool TakeCredit(uint64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  // There may be room for what a handler wants to write.
  void LookForRoom() ABSL_LOCKS_EXCLUDED(mutex_);
  // For the session's lists: the next of those that have been given back, the place among all.
  ServerCall* next = nullptr;
  size_t index = 0;

  // For the thread that gives the call back. Ends what the handler has left behind: its cancel
  // callback does not run any more once this has returned. False: somebody else still uses the
  // call, and will give it back.
  bool Settle() ABSL_LOCKS_EXCLUDED(mutex_);
  // For the thread that gives the call back, once it has been settled: nothing is charged any more
  // but large messages, as spare. They stay, or are let go of.
  void ChargeSpare();
  // Makes a call that is over ready for another request. Its messages keep their memory.
  void Renew();
  // What of its messages is charged so, in bytes; however short later ones are, memory stays.
  size_t spare_bytes() const { return spare_bytes_; }
  // Lets go of that. Of a call that is not in use.
  void DropMessages();

  uint32_t id() const { return id_; }
  uint16_t method_id() const { return method_id_; }
  RegisteredMethod& method() const { return method_; }
  ServerSession& session() const { return session_; }

 private:
  enum class Phase : uint8_t {
    kSpare,       // the session's; no request
    kOpen,        // the client waits for its answer
    kAnswered,    // the handler has answered
    kTerminated,  // something else has; the handler may still run
  };
  static constexpr int kEvents = 2;
  // Most calls with requests of so many bytes and less are over within the poller's turn, of which
  // there is one at a time. They are charged if they are not.
  static constexpr size_t kShortRequest = 4096;
  // What an entry of metadata, or a message in an inbox, takes besides its bytes.
  static constexpr size_t kEntry = 64;

  // A message that waits for the handler.
  struct Message {
    PayloadBuffer bytes;
    std::shared_ptr<Extras> extras;  // that came with it; or null

    size_t attachment_size() const { return extras == nullptr ? 0 : extras->attachment.size(); }
  };

  bool is_unary() const { return reply_ != nullptr && request_ != nullptr; }
  // Ends the call from this side: sends `status` to the client and lets the handler know.
  void Terminate(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Wakes or resumes the handler that waits for a change, so that it looks again.
  void Changed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of a REQUEST: takes the sections off `message`, and what goes with it.
  absl::Status TakeSections(const FrameHeader& header, FrameExtras& frame, ConstByteSpan& message,
                            std::shared_ptr<Extras>& extras);
  // As TakeMessage; an error says why the call is to end.
  absl::Status Take(const FrameHeader& header, ConstByteSpan payload, FrameExtras& frame)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // OK, or the answer to a call that is over before its handler runs.
  absl::Status ReadyToRun() const;
  // Starts the interceptors. nullopt: the handler is to run. Otherwise the status with which the
  // call ends instead.
  std::optional<absl::Status> Begin();
  HandlerArguments Arguments();
  absl::Status RunHandler();
  static RunningTask ServeCoroutine(std::unique_ptr<ServerCall> call);

  // Shows the interceptors a message that is about to be sent. False: they have rejected the call,
  // which has been ended.
  bool PassSend(const MessageSource& message);
  // Ends a call that an interceptor has rejected. Returns false, for the caller to return.
  bool EndRejected();
  // Sends the replies of the interceptor that has answered the call.
  absl::Status SendAnswer();

  // Whether the handler need not wait for `event`.
  bool IsReady(Event event) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for `event`. False: the handler has seen its deadline pass instead. The call ends here
  // and now, for a handler that takes this for the end of the requests must not answer OK.
  bool Await(Event event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the call with what the handler has returned, unless it has called Finish.
  void Return(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  // What Finish and Return do.
  void Conclude(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  // What Read, Write and Conclude do once interceptors have had their say.
  bool ReadMessage(MessageTarget target) ABSL_LOCKS_EXCLUDED(mutex_);
  bool WriteMessage(const MessageSource& message) ABSL_LOCKS_EXCLUDED(mutex_);
  void Respond(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes phase_ from kOpen. False: the client has its answer already.
  bool Answer() ABSL_LOCKS_EXCLUDED(mutex_);
  // Why a reply of so many bytes, and what goes with it, may not wait to leave, or OK.
  absl::Status CheckToKeep(size_t reply) const;
  // Why the handler's next message, of so many bytes, cannot go with what is attached to it, or OK.
  absl::Status CheckAttached(size_t size);
  // Writes without waiting. There must be room.
  bool WriteNow(const MessageSource& message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The reader has taken a message of so many bytes.
  void Consumed(size_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Charges the link for the request and what came with it. Fails if that is too much.
  absl::Status ChargeRequest(const PayloadSizes& sizes);
  // What request_ takes, which was parsed from request_size_ bytes.
  size_t RequestSpace();
  // What a message takes that serialises to so many bytes.
  static size_t SpaceOf(const google::protobuf::MessageLite& message, size_t serialised);
  // Charges it for `what`, "a request".
  absl::Status Charge(absl::string_view what, size_t bytes);
  // Lets go of what has come with the message that was read last.
  void DropReceived() {
    if (CallExtras::HasReceived(context_)) DropReceivedNow();
  }
  void DropReceivedNow();
  // The handler reads no more: lets go of what waits for it, and of what the window has grown by.
  void EndReading() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Checks whether the handler's metadata may be sent.
  absl::Status CheckMetadata() const;
  // Adds the initial metadata to the first message, or to a frame of their own.
  void TakeInitialMetadata(SectionWriter& sections);
  // Makes the messages that the method's kind has.
  void MakeMessages();
  // The cancel callbacks have run.
  void Unpin() ABSL_LOCKS_EXCLUDED(mutex_);

  ServerSession& session_;
  ServerLink& link_;
  RegisteredMethod& method_;
  const uint16_t method_id_;
  std::atomic<Phase> phase_ = Phase::kSpare;
  std::atomic<bool> begun_ = false;     // the handler may have seen the request
  std::atomic<bool> finished_ = false;  // by Finish

  // The handler's.
  uint32_t id_ = 0;
  bool initial_sent_ = false;
  bool send_seen_ = false;    // interceptors have seen the reply that waits to be written
  size_t request_size_ = 0;   // bytes that request_ was parsed from
  size_t request_space_ = 0;  // bytes that it takes, once they have been asked for
  size_t reply_size_ = 0;     // bytes that reply_ serialises to
  bool reply_sent_ = false;
  size_t charged_ = 0;      // bytes that the link is charged for the call
  size_t reading_ = 0;      // and for the attachment of the message that was read last
  size_t spare_bytes_ = 0;  // that large messages of this call, or of one before, hold
  std::unique_ptr<google::protobuf::MessageLite> request_;
  std::unique_ptr<google::protobuf::MessageLite> reply_;
  ServedContext context_{*this};
  std::optional<TaskQueue::TimerId> deadline_timer_;
  std::unique_ptr<Interception<InterceptedServerCall>> interception_;  // null: no interceptors

  mutable Mutex mutex_;
  CallState state_ ABSL_GUARDED_BY(mutex_);
  int pins_ ABSL_GUARDED_BY(mutex_) = 0;           // others that use the call without the mutex
  bool orphaned_ ABSL_GUARDED_BY(mutex_) = false;  // the last of them gives it back to the session
  // Coroutines, by event.
  std::array<absl::AnyInvocable<void()>, kEvents> waiting_ ABSL_GUARDED_BY(mutex_);
  std::deque<Message> inbox_ ABSL_GUARDED_BY(mutex_);
  Window window_ ABSL_GUARDED_BY(mutex_);
  CondVar changed_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_SERVER_CALL_H_
