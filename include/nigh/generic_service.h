#ifndef NIGH_GENERIC_SERVICE_H_
#define NIGH_GENERIC_SERVICE_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/api.h"
#include "nigh/method.h"
#include "nigh/server_context.h"
#include "nigh/server_stream.h"
#include "nigh/service.h"

namespace nigh {

// The requests and replies of one call of any kind, as bytes. Each request is one message that the
// client serialised; each reply is one message that the handler's program serialises. One thread
// may read while another writes. The stream belongs to the call's handler: all threads that use it
// must be done when the handler returns.
class NIGH_API GenericServerStream final {
 public:
  explicit GenericServerStream(HandlerCall& call) : call_(call) {}

  // Returns the request if the call has exactly one, as calls of unary and server streaming methods
  // do. nullopt: the requests are a stream (or too many or too few, as far as the server can tell).
  // Before the first Read.
  std::optional<std::string> SoleRequest();

  // As in ServerStream.
  std::optional<std::string> Read();
  bool Read(std::string* request) { return call_.Read(MessageTarget(request)); }
  // Sends a reply; also the only reply of a method that has one.
  bool Write(absl::string_view reply) { return call_.Write(MessageSource(reply)); }
  void SendInitialMetadata() { call_.SendInitialMetadata(); }

  // Ends the call now, before the handler returns. From now on reads and writes fail, also those in
  // which other threads wait, and what the handler returns does not count.
  void Finish(absl::Status status) { call_.Finish(std::move(status)); }

 private:
  HandlerCall& call_;
};

// A service for methods that are not known in advance: a proxy, a recorder, a bridge. It is
// registered by Server::RegisterFallback.
//
//   class Echo final : public nigh::GenericService {
//     absl::Status Handle(nigh::ServerContext& context,
//                         nigh::GenericServerStream& stream) override {
//       while (std::optional<std::string> request = stream.Read()) stream.Write(*request);
//       return absl::OkStatus();
//     }
//   };
//
// Only the client and the .proto know the kind of a method. To the server, each method is a stream
// of requests and a stream of replies. A client that gets too few or too many replies ends its call
// with UNIMPLEMENTED. Each call has a thread of its own while its handler runs.
class NIGH_API GenericService : public Service {
 public:
  // Handles one call. `context.method()` is the method that is called. Many threads call this at
  // once.
  virtual absl::Status Handle(ServerContext& context, GenericServerStream& stream) = 0;

  // With which messages descriptors may travel (nigh/message_extras.h). Asked once, when it is
  // registered.
  virtual Fds fds() const { return Fds::kNowhere; }

  // For the dispatcher.
  MethodHandler HandlerOf(const Method& method);
};

}  // namespace nigh

#endif  // NIGH_GENERIC_SERVICE_H_
