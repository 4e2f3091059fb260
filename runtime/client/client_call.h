#ifndef NIGH_RUNTIME_CLIENT_CLIENT_CALL_H_
#define NIGH_RUNTIME_CLIENT_CLIENT_CALL_H_

#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
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

// One call of any kind, without types, as its client sees it: an exchange, the sessions that it is
// opened on, and before it the context and the interceptors. Stubs and streams are built on it. Its
// functions block. At most one thread reads and one writes at a time; both may be the same.
//
//   ClientCall call(method, context);
//   call.Start(&request, /*end=*/true);     // reports no error: Finish does
//   while (call.Read(MessageTarget(&reply))) { ... }
//   absl::Status status = call.Finish();
class ClientCall {
 public:
  // `context` must outlive the call. The method's connector must live until Finish has returned, or
  // the call is destroyed.
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
  // A call begins anew, on the next connection, if the server goes away before a handler has seen
  // it, or as the channel's policy for retries says.
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
  // For AsyncClientCall, which opens the call by callbacks: `opener` is the exchange's.
  ClientCall(BoundMethod method, ClientContext& context, ClientExchange::Opener opener);
  // Does all that comes before a session. False: the call has ended already.
  bool Prepare(const MessageSource* first);
  // Has the call end when the context is cancelled; now, if it has been already.
  void WatchCancellation();
  // How long it waits for a server where it does not wait_for_ready: a call that one has sent away
  // waits for the next.
  absl::Duration patience() const;
  // As Write, but returns nothing where it would have to wait.
  std::optional<bool> TryWrite(const MessageSource& message, bool end);

  // What a call has ended with before it needs a session, if it has.
  std::optional<absl::Status> EndBeforeSession(const MessageSource* first);
  // Opens the call on a session, or settles it. Blocks.
  void OpenOnSome();
  // The exchange's judge.
  std::optional<absl::Duration> PauseBeforeNextBegin(const ClientExchange::End& end);
  // Ends a call that has been started, whatever it waits for.
  void EndWith(absl::Status status);

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
  ClientExchange exchange_;
  Cancellation::Id cancel_hook_ = 0;
  bool started_ = false;  // nothing has ended it before it could be opened
  bool finished_ = false;
  std::unique_ptr<Interception<InterceptedClientCall>> interception_;  // null: no interceptors
  MessageTarget expected_;  // where they find the one reply
  bool send_seen_ = false;  // they have seen the message that waits to be written
  int begun_again_ = 0;     // how often, because no handler had seen the call; the judge's
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_CLIENT_CALL_H_
