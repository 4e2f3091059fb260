#ifndef NIGH_SERVER_STREAM_H_
#define NIGH_SERVER_STREAM_H_

#include <cstddef>
#include <optional>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message_lite.h"
#include "nigh/api.h"
#include "nigh/message_extras.h"
#include "nigh/message_io.h"

namespace nigh {

// A call as its handler sees it, without the types of its messages. The streams of handlers and
// their contexts are made of it. The runtime implements it. Any thread of the handler may use it;
// one may read while one writes.
class NIGH_API HandlerCall {
 public:
  // What a handler can wait for. The end of the call ends every wait.
  enum class Event { kMessage, kRoom };

  HandlerCall(const HandlerCall&) = delete;
  HandlerCall& operator=(const HandlerCall&) = delete;

  // Waits for the next message. False: there are no more.
  virtual bool Read(MessageTarget target) = 0;
  // Sends a message. Waits while the client is too far behind. False: the call is over.
  virtual bool Write(MessageSource message) = 0;
  virtual void SendInitialMetadata() = 0;
  // Whether exactly one request is left to read and no more will come.
  virtual bool HasSoleRequest() const = 0;
  // Sends the response. Only the first one counts.
  virtual void Finish(absl::Status status) = 0;
  // Ends the call with `status` unless it is over, and cancels its handler.
  virtual void Abort(const absl::Status& status) = 0;
  // Sets a timer, so that a deadline that passes cancels the call even if nobody asks.
  virtual void WatchDeadline() = 0;
  // As ServerContext's.
  virtual absl::StatusOr<AttachmentBuffer> AllocateAttachment(size_t size) = 0;

  // For coroutines, whose reads and writes are made of these.
  //
  // Ready: whether Read or TryWrite need not wait. When: `callback` runs once `event` is ready, in
  // the role of the connection's poller. TryWrite: as Write, but returns nullopt where Write would
  // wait.
  virtual bool Ready(Event event) const = 0;
  virtual void When(Event event, absl::AnyInvocable<void()> callback) = 0;
  virtual std::optional<bool> TryWrite(const google::protobuf::MessageLite& message) = 0;

 protected:
  HandlerCall() = default;
  ~HandlerCall() = default;
};

// The streams that handlers get. A stream belongs to the handler's call and ends with it. One
// thread may read while another writes.

// Receives the requests of one call.
template <class Request>
class ServerReader final {
 public:
  explicit ServerReader(HandlerCall& call) : call_(call) {}

  // Waits for the next request. nullopt: the client has sent its last one, or the call is
  // cancelled; ServerContext::IsCancelled tells which.
  std::optional<Request> Read() {
    std::optional<Request> request(std::in_place);
    if (!Read(&*request)) request.reset();
    return request;
  }
  // The same into a message that is used again, which is faster.
  bool Read(Request* request) { return call_.Read(MessageTarget(request)); }

 private:
  HandlerCall& call_;
};

// Sends the replies of one call.
template <class Reply>
class ServerWriter final {
 public:
  explicit ServerWriter(HandlerCall& call) : call_(call) {}

  // Sends a reply. Waits while the client is too far behind. False: the call is cancelled or over,
  // and nobody will read any further reply.
  bool Write(const Reply& reply) { return call_.Write(MessageSource(reply)); }

  // Sends the initial metadata now instead of with the first reply.
  void SendInitialMetadata() { call_.SendInitialMetadata(); }

 private:
  HandlerCall& call_;
};

// Receives requests and sends replies, independently of each other.
template <class Request, class Reply>
class ServerStream final {
 public:
  explicit ServerStream(HandlerCall& call) : reader_(call), writer_(call) {}

  std::optional<Request> Read() { return reader_.Read(); }
  bool Read(Request* request) { return reader_.Read(request); }
  bool Write(const Reply& reply) { return writer_.Write(reply); }
  void SendInitialMetadata() { writer_.SendInitialMetadata(); }

 private:
  ServerReader<Request> reader_;
  ServerWriter<Reply> writer_;
};

}  // namespace nigh

#endif  // NIGH_SERVER_STREAM_H_
