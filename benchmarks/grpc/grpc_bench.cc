// Measures gRPC C++: its synchronous API, as most programs use it.
//
//   bazel run -c opt //benchmarks/grpc:grpc_bench -- --address=unix:/tmp/bench-{pid}
//
// --address=unix:PATH or HOST:PORT, as gRPC writes them.

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "benchmarks/echo.grpc.pb.h"
#include "benchmarks/harness/main.h"
#include "benchmarks/harness/subject.h"

namespace nigh::benchmarks {
namespace {

constexpr int kMaxMessage = 128 << 20;

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

class EchoService final : public Echo::Service {
  grpc::Status Unary(grpc::ServerContext*, const Payload* request, Payload* reply) override {
    reply->set_data(request->data());
    return grpc::Status::OK;
  }
  grpc::Status Stream(grpc::ServerContext*, const StreamRequest* request,
                      grpc::ServerWriter<Payload>* replies) override {
    Payload reply;
    reply.set_data(std::string(request->size(), 'x'));
    for (uint64_t i = 0; i < request->messages() && replies->Write(reply); ++i) {
    }
    return grpc::Status::OK;
  }
};

class GrpcCaller final : public Caller {
 public:
  GrpcCaller(Echo::Stub& stub, size_t payload) : stub_(stub) {
    request_.set_data(std::string(payload, 'x'));
  }

  void Call() override {
    grpc::ClientContext context;
    Check(FromGrpc(stub_.Unary(&context, request_, &reply_)));
    if (reply_.data().size() != request_.data().size()) Check(absl::DataLossError("wrong reply"));
  }

 private:
  Echo::Stub& stub_;
  Payload request_;
  Payload reply_;
};

class GrpcAsyncCaller final : public AsyncCaller {
 public:
  GrpcAsyncCaller(Echo::Stub& stub, size_t payload, int slots, Done done)
      : stub_(stub), done_(std::move(done)), slots_(slots) {
    request_.set_data(std::string(payload, 'x'));
  }

  void Begin(int slot) override {
    Slot& call = slots_[slot];
    call.context.emplace();
    stub_.async()->Unary(
        &*call.context, &request_, &call.reply,
        [this, slot](const grpc::Status& status) { Landed(slot, FromGrpc(status)); });
  }

 private:
  struct Slot {
    std::optional<grpc::ClientContext> context;
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

class GrpcLink final : public Link {
 public:
  explicit GrpcLink(const std::shared_ptr<grpc::Channel>& channel) : stub_(channel) {}

  std::unique_ptr<Caller> NewCaller(size_t payload) override {
    return std::make_unique<GrpcCaller>(stub_, payload);
  }

  std::unique_ptr<AsyncCaller> NewAsyncCaller(size_t payload, int slots,
                                              AsyncCaller::Done done) override {
    return std::make_unique<GrpcAsyncCaller>(stub_, payload, slots, std::move(done));
  }

  absl::Status ReadStream(uint64_t messages, size_t payload) override {
    StreamRequest request;
    request.set_messages(messages);
    request.set_size(static_cast<uint32_t>(payload));
    grpc::ClientContext context;
    auto replies = stub_.Stream(&context, request);
    Payload reply;
    for (uint64_t i = 0; i < messages; ++i) {
      if (!replies->Read(&reply) || reply.data().size() != payload) break;
    }
    return FromGrpc(replies->Finish());
  }

 private:
  Echo::Stub stub_;
};

class GrpcSubject final : public Subject {
 public:
  absl::Status Serve(const std::string& address, const Ready& ready) override {
    EchoService echo;
    int port = 0;
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(kMaxMessage);
    builder.RegisterService(&echo);
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (server == nullptr) return absl::UnavailableError(absl::StrCat(address, ": cannot listen"));
    const bool tcp = absl::EndsWith(address, ":0");
    ready(tcp ? absl::StrCat(address.substr(0, address.size() - 1), port) : address);
    server->Shutdown();
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Link>> Connect(const std::string& address) override {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kMaxMessage);
    // Otherwise all channels to one address share one connection.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return std::make_unique<GrpcLink>(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
  }
};

}  // namespace
}  // namespace nigh::benchmarks

int main(int argc, char** argv) {
  using nigh::benchmarks::GrpcSubject;
  return nigh::benchmarks::RunBenchmark(argc, argv,
                                        []() -> std::unique_ptr<nigh::benchmarks::Subject> {
                                          return std::make_unique<GrpcSubject>();
                                        });
}
