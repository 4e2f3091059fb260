#ifndef NIGH_BENCHMARKS_ECHO_SERVICE_H_
#define NIGH_BENCHMARKS_ECHO_SERVICE_H_

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "benchmarks/echo.nigh.h"
#include "benchmarks/harness/check.h"
#include "nigh/nigh.h"

namespace nigh::benchmarks {

// The service of every benchmark of nigh.
class EchoService : public Echo::Service {
 public:
  // Each echo begins with a sleep of `delay`.
  explicit EchoService(absl::Duration delay = absl::ZeroDuration()) : delay_(delay) {}

 private:
  absl::Status Unary(ServerContext& context, const Payload& request, Payload* reply) override {
    if (delay_ != absl::ZeroDuration()) absl::SleepFor(delay_);
    reply->set_data(request.data());
    return context.attachment().empty() ? absl::OkStatus() : EchoAttachment(context);
  }
  // Reads what has come, and fills as much where it is sent from.
  static absl::Status EchoAttachment(ServerContext& context) {
    const ConstByteSpan bytes = context.attachment().bytes();
    absl::StatusOr<AttachmentBuffer> buffer = context.AllocateAttachment(bytes.size());
    if (!buffer.ok()) return buffer.status();
    std::memcpy(buffer->bytes().data(), bytes.data(), bytes.size());
    context.SetAttachment(*std::move(buffer));
    return absl::OkStatus();
  }
  absl::Status Stream(ServerContext&, const StreamRequest& request,
                      ServerWriter<Payload>& replies) override {
    Payload reply;
    reply.set_data(std::string(request.size(), 'x'));
    for (uint64_t i = 0; i < request.messages() && replies.Write(reply); ++i) {
    }
    return absl::OkStatus();
  }

  absl::Status Sink(ServerContext&, ServerReader<Payload>& requests, Payload*) override {
    Payload request;
    while (requests.Read(&request)) {
    }
    return absl::OkStatus();
  }

  const absl::Duration delay_;
};

// Serves `service` at `address` until the process ends: for a server that is a child of its own.
[[noreturn]] inline void ServeForEver(Service& service, const std::string& address,
                                      const ServerOptions& options = {}) {
  Server server(options);
  server.Register(service);
  Check(server.Listen(address));
  Check(server.Start());
  for (;;) ::pause();
}

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_ECHO_SERVICE_H_
