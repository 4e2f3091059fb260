#ifndef NIGH_GENERIC_SERVICE_H_
#define NIGH_GENERIC_SERVICE_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/method.h"
#include "nigh/server_context.h"
#include "nigh/server_stream.h"
#include "nigh/service.h"

namespace nigh {

// The requests and replies of one call of any kind, as bytes: each is one message, serialised by
// the client, to be serialised for it. One thread may read while another writes. It belongs to the
// call's handler, and so do the threads that use it: they must be done when the handler returns.
class GenericServerStream final {
 public:
  explicit GenericServerStream(HandlerCall& call) : call_(call) {}

  // The request of a call that has exactly one, as those of unary and server streaming methods do.
  // Nothing: the requests are a stream (or were too many or too few, as far as this end can tell).
  // Before the first Read.
  std::optional<std::string> SoleRequest();

  // As ServerStream's.
  std::optional<std::string> Read();
  bool Read(std::string* request) { return call_.Read(MessageTarget(request)); }
  // A method with one reply has it written, too.
  bool Write(absl::string_view reply) { return call_.Write(MessageSource(reply)); }
  void SendInitialMetadata() { call_.SendInitialMetadata(); }

  // Ends the call now, before the handler returns: reads and writes, those of other threads that
  // wait included, fail from now on, and what the handler returns does not count.
  void Finish(absl::Status status) { call_.Finish(std::move(status)); }

 private:
  HandlerCall& call_;
};

// A service for methods whose names, kinds and messages it learns as they are called: a proxy, a
// recorder, a bridge. Registered by Server::RegisterFallback.
//
//   class Echo final : public nigh::GenericService {
//     absl::Status Handle(nigh::ServerContext& context,
//                         nigh::GenericServerStream& stream) override {
//       while (std::optional<std::string> request = stream.Read()) stream.Write(*request);
//       return absl::OkStatus();
//     }
//   };
//
// Which kind a method is, only the client and the .proto know: to this end each is a stream of
// requests and a stream of replies, and a client that gets too few or too many replies ends its
// call with UNIMPLEMENTED. Each call has a thread of its own while its handler runs.
class GenericService : public Service {
 public:
  // As a handler of any service: `context.method()` says what is called. By many threads at once.
  virtual absl::Status Handle(ServerContext& context, GenericServerStream& stream) = 0;

  // For the dispatcher.
  MethodHandler HandlerOf(const Method& method);
};

}  // namespace nigh

#endif  // NIGH_GENERIC_SERVICE_H_
