// Measures Cap'n Proto's RPC, its two-party protocol over a Unix socket.
//
//   bazel run -c opt //benchmarks/peers:capnproto_bench -- --address=unix:/tmp/bench-{pid}

#include <capnp/ez-rpc.h>
#include <capnp/message.h>
#include <kj/async.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "benchmarks/harness/main.h"
#include "benchmarks/harness/subject.h"
#include "benchmarks/peers/link_per_caller.h"
#include "echo.capnp.h"

namespace nigh::benchmarks {
namespace {

// In words of eight bytes; the largest message that is measured fits.
constexpr capnp::ReaderOptions kLargeMessages = {.traversalLimitInWords = uint64_t{1} << 40,
                                                 .nestingLimit = 64};

class EchoServer final : public capnproto::Echo::Server {
  kj::Promise<void> unary(UnaryContext context) override {
    context.getResults().setData(context.getParams().getData());
    return kj::READY_NOW;
  }
};

// A connection of its own, all of which belongs to the thread that makes it: at the first call.
class CapnProtoCaller final : public Caller {
 public:
  CapnProtoCaller(std::string address, size_t payload)
      : address_(std::move(address)), request_(payload, 'x') {}

  void Call() override {
    if (!client_.has_value()) {
      client_.emplace(address_, 0, kLargeMessages);
      echo_.emplace(client_->getMain<capnproto::Echo>());
    }
    auto request = echo_->unaryRequest();
    request.setData(
        kj::arrayPtr(reinterpret_cast<const kj::byte*>(request_.data()), request_.size()));
    const auto reply = request.send().wait(client_->getWaitScope());
    if (reply.getData().size() != request_.size()) Check(absl::DataLossError("wrong reply"));
  }

 private:
  const std::string address_;
  const std::string request_;
  std::optional<capnp::EzRpcClient> client_;
  std::optional<capnproto::Echo::Client> echo_;
};

class CapnProtoSubject final : public Subject {
 public:
  absl::Status Serve(const std::string& address, const Ready& ready) override {
    kj::MutexGuarded<kj::Maybe<const kj::Executor&>> executor;
    kj::Own<kj::PromiseFulfiller<void>> stop;
    std::thread thread([&] {
      capnp::EzRpcServer server(kj::heap<EchoServer>(), address, 0, kLargeMessages);
      (void)server.getPort().wait(server.getWaitScope());
      auto paf = kj::newPromiseAndFulfiller<void>();
      stop = kj::mv(paf.fulfiller);
      *executor.lockExclusive() = kj::getCurrentThreadExecutor();
      paf.promise.wait(server.getWaitScope());
      *executor.lockExclusive() = nullptr;
    });
    const kj::Executor& loop =
        executor.when([](const auto& value) { return value != nullptr; },
                      [](auto& value) -> const kj::Executor& { return KJ_ASSERT_NONNULL(value); });
    ready(address);
    loop.executeSync([&] { stop->fulfill(); });
    thread.join();
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Link>> Connect(const std::string& address) override {
    return std::make_unique<LinkPerCaller<CapnProtoCaller>>(address);
  }
};

}  // namespace
}  // namespace nigh::benchmarks

int main(int argc, char** argv) {
  using nigh::benchmarks::CapnProtoSubject;
  return nigh::benchmarks::RunBenchmark(argc, argv,
                                        []() -> std::unique_ptr<nigh::benchmarks::Subject> {
                                          return std::make_unique<CapnProtoSubject>();
                                        });
}
