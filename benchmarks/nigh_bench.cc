// Measures nigh over any of its transports.
//
//   bazel run -c opt //benchmarks:nigh_bench -- --address=unix:/tmp/bench-{pid} --placement=split

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "benchmarks/echo.nigh.h"
#include "benchmarks/echo_service.h"
#include "benchmarks/harness/main.h"
#include "benchmarks/harness/subject.h"
#include "nigh/nigh.h"
#include "nigh/transport/pipe_ends.h"

ABSL_FLAG(int, spins, -1, "WaitPolicy::spins of both ends; -1: the default.");
ABSL_FLAG(int, yields, -1, "WaitPolicy::yields of both ends; -1: the default.");
ABSL_FLAG(absl::Duration, delay, absl::ZeroDuration(), "How long each handler sleeps.");
ABSL_FLAG(int, pollers, 0, "ServerOptions::pollers.");
ABSL_FLAG(uint32_t, window, nigh::Limits().window, "Limits::window of both ends.");
ABSL_FLAG(uint32_t, max_window, nigh::Limits().max_window,
          "Limits::max_window of both ends: that to which the window grows by itself.");
ABSL_FLAG(bool, attachment, false,
          "The payload is an attachment, which each end fills, and reads byte by byte.");

namespace nigh::benchmarks {
namespace {

WaitPolicy Policy() {
  WaitPolicy policy;
  if (absl::GetFlag(FLAGS_spins) >= 0) policy.spins = absl::GetFlag(FLAGS_spins);
  if (absl::GetFlag(FLAGS_yields) >= 0) policy.yields = absl::GetFlag(FLAGS_yields);
  return policy;
}

Limits BenchLimits() {
  return {.max_message = size_t{128} << 20,
          .window = absl::GetFlag(FLAGS_window),
          .max_window = absl::GetFlag(FLAGS_max_window)};
}

class NighCaller final : public Caller {
 public:
  NighCaller(Echo::Stub& stub, size_t payload) : stub_(stub) {
    request_.set_data(std::string(payload, 'x'));
  }

  void Call() override {
    ClientContext context;
    Check(stub_.Unary(context, request_, &reply_));
    if (reply_.data().size() != request_.data().size()) Check(absl::DataLossError("wrong reply"));
  }

 private:
  Echo::Stub& stub_;
  Payload request_;
  Payload reply_;
};

// The same with an attachment, filled where it is sent from.
class AttachmentCaller final : public Caller {
 public:
  AttachmentCaller(Channel& channel, Echo::Stub& stub, size_t payload)
      : channel_(channel), stub_(stub), bytes_(payload, 'x') {}

  void Call() override {
    absl::StatusOr<AttachmentBuffer> buffer = channel_.AllocateAttachment(bytes_.size());
    Check(buffer.status());
    std::memcpy(buffer->bytes().data(), bytes_.data(), bytes_.size());
    ClientContext context;
    context.SetAttachment(*std::move(buffer));
    Check(stub_.Unary(context, request_, &reply_));
    if (!IsEcho(context.attachment().text())) Check(absl::DataLossError("wrong reply"));
  }

 private:
  // Reads all of it, as fast as the C library does.
  bool IsEcho(absl::string_view text) const {
    return text.size() == bytes_.size() && text.front() == 'x' &&
           std::memchr(text.data(), 'y', text.size()) == nullptr;
  }

  Channel& channel_;
  Echo::Stub& stub_;
  const std::string bytes_;
  Payload request_;
  Payload reply_;
};

class NighAsyncCaller final : public AsyncCaller {
 public:
  NighAsyncCaller(Echo::Stub& stub, size_t payload, int slots, Done done)
      : stub_(stub), done_(std::move(done)), slots_(slots) {
    request_.set_data(std::string(payload, 'x'));
  }

  void Begin(int slot) override {
    Slot& call = slots_[slot];
    call.context.emplace();
    stub_.AsyncUnary(*call.context, request_, &call.reply,
                     [this, slot](const absl::Status& status) { Landed(slot, status); });
  }

 private:
  struct Slot {
    std::optional<ClientContext> context;
    Payload reply;
  };

  void Landed(int slot, const absl::Status& status) {
    Check(status);
    if (slots_[slot].reply.data().size() != request_.data().size()) {
      Check(absl::DataLossError("wrong reply"));
    }
    done_(slot);
  }

  Echo::Stub& stub_;
  const Done done_;
  Payload request_;
  std::vector<Slot> slots_;
};

class NighLink final : public Link {
 public:
  explicit NighLink(std::shared_ptr<Channel> channel)
      : channel_(std::move(channel)), stub_(channel_) {}

  std::unique_ptr<Caller> NewCaller(size_t payload) override {
    if (absl::GetFlag(FLAGS_attachment)) {
      return std::make_unique<AttachmentCaller>(*channel_, stub_, payload);
    }
    return std::make_unique<NighCaller>(stub_, payload);
  }

  std::unique_ptr<AsyncCaller> NewAsyncCaller(size_t payload, int slots,
                                              AsyncCaller::Done done) override {
    return std::make_unique<NighAsyncCaller>(stub_, payload, slots, std::move(done));
  }

  absl::Status ReadStream(uint64_t messages, size_t payload) override {
    StreamRequest request;
    request.set_messages(messages);
    request.set_size(static_cast<uint32_t>(payload));
    auto replies = stub_.Stream(request);
    Payload reply;
    for (uint64_t i = 0; i < messages; ++i) {
      if (!replies.Read(&reply) || reply.data().size() != payload) break;
    }
    return replies.Finish();
  }

 private:
  const std::shared_ptr<Channel> channel_;
  Echo::Stub stub_;
};

class NighSubject final : public Subject {
 public:
  // Pipes are made here, and the server inherits its ends.
  absl::StatusOr<std::string> Prepare(const std::string& address) override {
    if (address != "pipe:") return address;
    absl::StatusOr<std::pair<PipeEnds, PipeEnds>> pipes = MakePipes();
    if (!pipes.ok()) return pipes.status();
    std::tie(our_pipes_, their_pipes_) = *std::move(pipes);
    if (absl::Status kept = their_pipes_.KeepOnExec(); !kept.ok()) return kept;
    return their_pipes_.address();
  }

  absl::Status Serve(const std::string& address, const Ready& ready) override {
    EchoService echo(absl::GetFlag(FLAGS_delay));
    Server server(
        {.limits = BenchLimits(), .wait = Policy(), .pollers = absl::GetFlag(FLAGS_pollers)});
    server.Register(echo);
    if (absl::Status status = server.Listen(address); !status.ok()) return status;
    if (absl::Status status = server.Start(); !status.ok()) return status;
    ready(server.addresses().front());
    server.Shutdown(absl::ZeroDuration());
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Link>> Connect(const std::string& address) override {
    their_pipes_ = {};
    absl::StatusOr<std::shared_ptr<Channel>> channel =
        Dial(our_pipes_.in ? our_pipes_.Release() : address,
             {.limits = BenchLimits(), .wait = Policy()});
    if (!channel.ok()) return channel.status();
    return std::make_unique<NighLink>(*std::move(channel));
  }

  bool InProcess(const std::string& address) const override {
    return absl::StartsWith(address, "inproc:");
  }

 private:
  PipeEnds our_pipes_;
  PipeEnds their_pipes_;
};

}  // namespace
}  // namespace nigh::benchmarks

int main(int argc, char** argv) {
  using nigh::benchmarks::NighSubject;
  return nigh::benchmarks::RunBenchmark(argc, argv,
                                        []() -> std::unique_ptr<nigh::benchmarks::Subject> {
                                          return std::make_unique<NighSubject>();
                                        });
}
