#ifndef NIGH_CLIENT_STREAM_H_
#define NIGH_CLIENT_STREAM_H_

#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/api.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/options.h"

namespace nigh {

// What the three kinds of client streams have in common. A stream can be moved. Destroying one that
// is not finished cancels its call. One thread may read while another writes. A message is a
// protobuf message; for GenericStub's streams it is a string with the bytes of one.
class NIGH_API ClientStreamBase {
 public:
  // Ends the call with CANCELLED. Any thread.
  void TryCancel();

  // Waits for the server's initial metadata. Then context().initial_metadata() is valid.
  void WaitForInitialMetadata();

  // The context that the caller gave, or else the stream's own.
  const ClientContext& context() const;

 protected:
  ClientStreamBase(BoundMethod method, const CallOptions& options);
  ClientStreamBase(BoundMethod method, ClientContext& context);
  ClientStreamBase(ClientStreamBase&&) noexcept;
  ClientStreamBase& operator=(ClientStreamBase&&) noexcept;
  ~ClientStreamBase();

  // Says where the call's only reply goes. Before Start.
  void Expect(MessageTarget reply);
  // Opens the call; with `request`, also sends its only message.
  void Start();
  void Start(MessageSource request);
  bool Write(MessageSource message, bool last);
  bool WritesDone();
  bool Read(MessageTarget target);
  absl::Status Finish();

 private:
  // The call and what it needs until it ends.
  struct Open;
  std::unique_ptr<Open> open_;
};

// Receives the replies to one request.
//
//   auto replies = greeter.LotsOfReplies(request);
//   while (std::optional<HelloReply> reply = replies.Read()) { ... }
//   absl::Status status = replies.Finish();
template <class Reply>
class ClientReader final : public ClientStreamBase {
 public:
  template <class Request>
  ClientReader(BoundMethod method, const Request& request, const CallOptions& options)
      : ClientStreamBase(method, options) {
    Start(MessageSource(request));
  }
  template <class Request>
  ClientReader(BoundMethod method, ClientContext& context, const Request& request)
      : ClientStreamBase(method, context) {
    Start(MessageSource(request));
  }

  // Waits for the next reply. nullopt: there are no more, now or later.
  std::optional<Reply> Read() {
    std::optional<Reply> reply(std::in_place);
    if (!Read(&*reply)) reply.reset();
    return reply;
  }
  // The same into a message that is used again, which is faster. False: there are no more, and what
  // `reply` holds means nothing.
  bool Read(Reply* reply) { return ClientStreamBase::Read(MessageTarget(reply)); }

  // Waits for the end of the call. Replies that were not read are dropped.
  absl::Status Finish() { return ClientStreamBase::Finish(); }
};

// Sends many requests for one reply.
template <class Request, class Reply>
class ClientWriter final : public ClientStreamBase {
 public:
  template <class Context>
  ClientWriter(BoundMethod method, Context& context)
      : ClientStreamBase(method, context), reply_(std::make_unique<Reply>()) {
    Expect(MessageTarget(reply_.get()));
    Start();
  }

  // Sends a request. Waits while the server is too far behind. False: the call is over, and Finish
  // tells why; or WritesDone has been called.
  bool Write(const Request& request) {
    return ClientStreamBase::Write(MessageSource(request), /*last=*/false);
  }
  // The same for the last request. Saves a frame.
  bool WriteLast(const Request& request) {
    return ClientStreamBase::Write(MessageSource(request), /*last=*/true);
  }
  // Ends the sending side. False: it had ended already, or the call is over.
  bool WritesDone() { return ClientStreamBase::WritesDone(); }

  // Ends the sending side unless that is done, and waits for the reply. May be called once.
  absl::StatusOr<Reply> Finish() {
    WritesDone();
    if (absl::Status status = ClientStreamBase::Finish(); !status.ok()) return status;
    return std::move(*reply_);
  }

 private:
  std::unique_ptr<Reply> reply_;  // stays where it is when the writer is moved
};

// Sends requests and receives replies, independently of each other.
template <class Request, class Reply>
class ClientStream final : public ClientStreamBase {
 public:
  template <class Context>
  ClientStream(BoundMethod method, Context& context) : ClientStreamBase(method, context) {
    Start();
  }

  // As in ClientWriter.
  bool Write(const Request& request) {
    return ClientStreamBase::Write(MessageSource(request), /*last=*/false);
  }
  bool WriteLast(const Request& request) {
    return ClientStreamBase::Write(MessageSource(request), /*last=*/true);
  }
  bool WritesDone() { return ClientStreamBase::WritesDone(); }

  // As in ClientReader.
  std::optional<Reply> Read() {
    std::optional<Reply> reply(std::in_place);
    if (!Read(&*reply)) reply.reset();
    return reply;
  }
  bool Read(Reply* reply) { return ClientStreamBase::Read(MessageTarget(reply)); }

  // Ends the sending side unless that is done, and waits for the end of the call. Replies that were
  // not read are dropped.
  absl::Status Finish() {
    WritesDone();
    return ClientStreamBase::Finish();
  }
};

}  // namespace nigh

#endif  // NIGH_CLIENT_STREAM_H_
