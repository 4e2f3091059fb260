#ifndef NIGH_RUNTIME_CLIENT_CLIENT_CALL_H_
#define NIGH_RUNTIME_CLIENT_CLIENT_CALL_H_

#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "nigh/cancellation.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/runtime/call/used_context.h"
#include "nigh/runtime/client/client_exchange.h"
#include "nigh/runtime/client/client_session.h"

namespace nigh {

class InterceptedClientCall;
template <class Call>
class Interception;

// One call of any kind, without types, as its client sees it: an exchange on whatever session takes
// it, behind the context and the interceptors. Stubs and streams are built on it. Its functions
// block. At most one thread reads and one writes at a time; both may be the same.
//
//   ClientCall call(method, context);
//   call.Start(&request, /*end=*/true);     // reports no error: Finish does
//   while (call.Read(MessageTarget(&reply))) { ... }
//   absl::Status status = call.Finish();
class ClientCall {
 public:
  // `context` must outlive the call. The method's connector must live until Start.
  ClientCall(BoundMethod method, ClientContext& context);
  ClientCall(const ClientCall&) = delete;
  ClientCall& operator=(const ClientCall&) = delete;
  // Cancels a call that is not over.
  ~ClientCall();

  // False in a child of fork(2): the call is its parent's, and only to be destroyed.
  bool is_of_this_process() const { return birth_.is_this(); }

  // Says in advance where the first message goes, so that it can be parsed in place, with no copy.
  // To be called before Start, or by the reader.
  void Expect(MessageTarget target);

  // Opens the call, with its first message unless that is null. `end`: no more messages follow.
  // Blocks while it connects. A unary call's message must last until Finish.
  //
  // A call of which this is all that it sends begins anew, on the next connection, if the server
  // goes away before a handler has seen it. A copy of a stream's message is kept for that.
  void Start(const MessageSource* first, bool end);

  // Sends a message, which has been measured. False: the call or its sending side is over; Finish
  // tells why. Blocks while the server's reader is too far behind, or while there is no room.
  bool Write(const MessageSource& message, bool end = false);

  // Ends the sending side. False: as above.
  bool WritesDone();

  // Waits for the next message. False: there are no more; Finish tells why.
  bool Read(MessageTarget target);

  // Waits for the server's initial metadata. They come with its first message at the latest.
  void WaitForInitialMetadata();

  // Waits for the end and returns the call's status. Messages that were not read are dropped.
  absl::Status Finish();

  // Ends the call with CANCELLED and tells the server. Any thread may call it.
  void Cancel();

  // Ends the call, started or not, with an error of this side.
  void Fail(const absl::Status& status);

 private:
  friend class AsyncClientCall;

  // The context is not touched any more.
  void Unbind();
  // Cancels a call that nobody will finish.
  void Drop();
  // The parts of Start. Prepare returns a status if the call has ended before it began. StartOn
  // makes an attempt: true, it has taken over `session`; false, `session` takes no new calls and is
  // to be retired. FailToStart ends a call that has not reached a session.
  std::optional<absl::Status> Prepare(const MessageSource* first);
  bool StartOn(std::shared_ptr<ClientSession>& session, const MessageSource* first, bool end);
  void FailToStart(absl::Status status);
  // As Write, but returns nothing where it would have to wait.
  std::optional<bool> TryWrite(const MessageSource& message, bool end);

  // As Read, without interceptors.
  bool ReadMessage(MessageTarget target);
  // Keeps what the call may have to begin anew with.
  void KeepRequest(const MessageSource& request);
  // Opens the call on a session. Fails if there is none.
  absl::Status OpenOnSome(const MessageSource* first, bool end, absl::Duration patience);
  // Opens a call anew that has ended: no handler has seen it, or the channel repeats it. False: it
  // stays as it is.
  bool BeginAgain();
  bool Repeats();

  // These pass messages to the interceptors. False: an interceptor has rejected the call.
  bool PassSend(const MessageSource& message);
  bool EndRejected();
  bool ReadIntercepted(MessageTarget target);
  // Takes the next reply of an interceptor that has answered the call. False: there is none.
  bool TakeAnswer(MessageTarget target);
  absl::Status FinishIntercepted(absl::Status status);

  const BirthProcess birth_;
  const BoundMethod method_;
  UsedContext context_;
  std::shared_ptr<ClientSession> session_;  // null: not started, or failed before it reached one
  ClientExchange exchange_;
  Cancellation::Id cancel_hook_ = 0;
  bool finished_ = false;
  std::unique_ptr<Interception<InterceptedClientCall>> interception_;  // null: no interceptors
  MessageTarget expected_;  // where they find the one reply
  // What the call begins anew with.
  std::optional<MessageSource> request_;
  std::string request_bytes_;  // of a stream's
  int begun_again_ = 0;        // how often
  bool settled_ = false;       // it does not begin anew any more
  bool send_seen_ = false;     // they have seen the message that waits to be written
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_CLIENT_CALL_H_
