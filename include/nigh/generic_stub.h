#ifndef NIGH_GENERIC_STUB_H_
#define NIGH_GENERIC_STUB_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/api.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/client_stream.h"
#include "nigh/method.h"
#include "nigh/options.h"

namespace nigh {

// Calls methods by name, "/package.Service/Method", with messages as bytes: the program serialises
// requests and parses replies. For proxies and tools that learn of methods at run time. With the
// .proto at hand, a generated stub is better.
//
//   nigh::GenericStub stub(channel);
//   absl::StatusOr<std::string> reply = stub.Call("/helloworld.Greeter/SayHello", request);
//
// The kind of call must suit the method, otherwise the call ends with UNIMPLEMENTED. A stream suits
// a method that has a single message in its place: CallServerStreaming can call unary methods, and
// CallBidiStreaming can call client streaming ones. If the name is no method's name, the call fails
// with INTERNAL. A channel remembers the names that it is given, at most 4096 different ones.
class NIGH_API GenericStub final {
 public:
  using Reader = ClientReader<std::string>;
  using Writer = ClientWriter<std::string, std::string>;
  using Stream = ClientStream<std::string, std::string>;

  // `fds`: messages may bring descriptors (nigh/message_extras.h).
  explicit GenericStub(std::shared_ptr<Channel> channel, Fds fds = Fds::kNowhere)
      : channel_(std::move(channel)), fds_(fds) {}

  // Each comes in two forms: with options, and with a context for full control. The context must
  // outlive the call.
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
    return channel_->Bind(method, kind, fds_);
  }

  std::shared_ptr<Channel> channel_;
  Fds fds_;
};

}  // namespace nigh

#endif  // NIGH_GENERIC_STUB_H_
