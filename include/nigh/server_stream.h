#ifndef NIGH_SERVER_STREAM_H_
#define NIGH_SERVER_STREAM_H_

#include <optional>

#include "nigh/message_io.h"
#include "nigh/runtime/server/server_call.h"

namespace nigh {

// The streams that handlers get. They belong to the handler's call and end with it. One thread may
// read while another writes.

// Receives the requests of one call.
template <class Request>
class ServerReader final {
 public:
  explicit ServerReader(ServerCall& call) : call_(call) {}

  // Waits for the next request. Nothing: the client has said that there are no more, or the call is
  // cancelled; ServerContext::IsCancelled tells which.
  std::optional<Request> Read() {
    std::optional<Request> request(std::in_place);
    if (!Read(&*request)) request.reset();
    return request;
  }
  // The same into a message that is used again, which is faster.
  bool Read(Request* request) { return call_.Read(MessageTarget(request)); }

 private:
  ServerCall& call_;
};

// Sends the replies of one call.
template <class Reply>
class ServerWriter final {
 public:
  explicit ServerWriter(ServerCall& call) : call_(call) {}

  // Waits while the client is too far behind. False: the call is cancelled or over; nobody will
  // read what is written from now on.
  bool Write(const Reply& reply) { return call_.Write(MessageSource(reply)); }

  // Sends the initial metadata now instead of with the first reply.
  void SendInitialMetadata() { call_.SendInitialMetadata(); }

 private:
  ServerCall& call_;
};

// Both.
template <class Request, class Reply>
class ServerStream final {
 public:
  explicit ServerStream(ServerCall& call) : reader_(call), writer_(call) {}

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
