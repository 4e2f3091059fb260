#ifndef NIGH_GENERIC_STUB_H_
#define NIGH_GENERIC_STUB_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/client_stream.h"
#include "nigh/options.h"

namespace nigh {

// Calls methods that the program learns of as it runs: by name, "/package.Service/Method", with
// messages as bytes that somebody else has serialised and will parse. For proxies and tools;
// whoever has the .proto has better stubs.
//
//   nigh::GenericStub stub(channel);
//   absl::StatusOr<std::string> reply = stub.Call("/helloworld.Greeter/SayHello", request);
//
// The kind of call must suit the method, or the call ends with UNIMPLEMENTED; but a call that may
// have more messages suits a method that has one of them: CallServerStreaming calls unary methods,
// too, and CallBidiStreaming those of client streaming. What is no method's name fails the call
// with INTERNAL. A channel remembers the names it has been given, 4096 different ones at most.
class GenericStub final {
 public:
  using Reader = ClientReader<std::string>;
  using Writer = ClientWriter<std::string, std::string>;
  using Stream = ClientStream<std::string, std::string>;

  explicit GenericStub(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}

  // Each with options, and with a context for full control, which must outlive the call.
  absl::StatusOr<std::string> Call(absl::string_view method, absl::string_view request,
                                   const CallOptions& options = {}) const;
  absl::Status Call(ClientContext& context, absl::string_view method, absl::string_view request,
                    std::string* reply) const;

  Reader CallServerStreaming(absl::string_view method, absl::string_view request,
                             const CallOptions& options = {}) const {
    return {Bind(method, MethodKind::kServerStreaming), request, options};
  }
  Reader CallServerStreaming(ClientContext& context, absl::string_view method,
                             absl::string_view request) const {
    return {Bind(method, MethodKind::kServerStreaming), context, request};
  }

  Writer CallClientStreaming(absl::string_view method, const CallOptions& options = {}) const {
    return {Bind(method, MethodKind::kClientStreaming), options};
  }
  Writer CallClientStreaming(ClientContext& context, absl::string_view method) const {
    return {Bind(method, MethodKind::kClientStreaming), context};
  }

  Stream CallBidiStreaming(absl::string_view method, const CallOptions& options = {}) const {
    return {Bind(method, MethodKind::kBidiStreaming), options};
  }
  Stream CallBidiStreaming(ClientContext& context, absl::string_view method) const {
    return {Bind(method, MethodKind::kBidiStreaming), context};
  }

 private:
  BoundMethod Bind(absl::string_view method, MethodKind kind) const {
    return channel_->Bind(method, kind);
  }

  std::shared_ptr<Channel> channel_;
};

}  // namespace nigh

#endif  // NIGH_GENERIC_STUB_H_
