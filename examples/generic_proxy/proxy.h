#ifndef NIGH_EXAMPLES_GENERIC_PROXY_PROXY_H_
#define NIGH_EXAMPLES_GENERIC_PROXY_PROXY_H_

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "nigh/nigh.h"

// Forwards every call, of any service and any kind, to another server: messages, metadata and
// status, deadline and cancellation. It has seen no .proto.
class Proxy final : public nigh::GenericService {
 public:
  explicit Proxy(std::shared_ptr<nigh::Channel> target) : target_(std::move(target)) {}

  absl::Status Handle(nigh::ServerContext& context, nigh::GenericServerStream& stream) override {
    nigh::ClientContext onward(
        context);  // with the deadline of this call, and cancelled when it is
    for (const auto& [key, value] : context.client_metadata()) onward.AddMetadata(key, value);
    if (std::optional<std::string> request = stream.SoleRequest()) {
      auto call = target_.CallServerStreaming(onward, context.method(), *request);
      return ForwardReplies(call, context, stream);
    }
    auto call = target_.CallBidiStreaming(onward, context.method());
    std::thread requests([&] {
      std::string request;
      while (stream.Read(&request) && call.Write(request)) {
      }
      if (!context.IsCancelled()) call.WritesDone();
    });
    // The target may end the call while requests are still to come: they stop at once.
    stream.Finish(ForwardReplies(call, context, stream));
    requests.join();
    return absl::OkStatus();
  }

 private:
  template <class Call>
  static absl::Status ForwardReplies(Call& call, nigh::ServerContext& context,
                                     nigh::GenericServerStream& stream) {
    call.WaitForInitialMetadata();
    for (const auto& [key, value] : call.context().initial_metadata()) {
      context.AddInitialMetadata(key, value);
    }
    stream.SendInitialMetadata();
    std::string reply;
    while (call.Read(&reply) && stream.Write(reply)) {
    }
    absl::Status status = call.Finish();
    for (const auto& [key, value] : call.context().trailing_metadata()) {
      context.AddTrailingMetadata(key, value);
    }
    return status;
  }

  const nigh::GenericStub target_;
};

#endif  // NIGH_EXAMPLES_GENERIC_PROXY_PROXY_H_
