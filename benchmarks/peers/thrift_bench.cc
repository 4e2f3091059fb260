// Measures Apache Thrift: a blocking client, a server with a thread for each connection, the binary
// protocol over a buffered Unix socket.
//
//   bazel run -c opt //benchmarks/peers:thrift_bench -- --address=/tmp/bench-{pid}

#include <thrift/protocol/TBinaryProtocol.h>
#include <thrift/server/TThreadedServer.h>
#include <thrift/transport/TBufferTransports.h>
#include <thrift/transport/TServerSocket.h>
#include <thrift/transport/TSocket.h>

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "Echo.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "benchmarks/harness/main.h"
#include "benchmarks/harness/subject.h"
#include "benchmarks/peers/link_per_caller.h"

namespace nigh::benchmarks {
namespace {

using apache::thrift::protocol::TBinaryProtocol;
using apache::thrift::protocol::TBinaryProtocolFactory;
using apache::thrift::server::TServerEventHandler;
using apache::thrift::server::TThreadedServer;
using apache::thrift::transport::TBufferedTransport;
using apache::thrift::transport::TBufferedTransportFactory;
using apache::thrift::transport::TServerSocket;
using apache::thrift::transport::TSocket;

class EchoHandler final : public thrift::EchoIf {
  void unary(std::string& reply, const std::string& request) override { reply = request; }
};

// Told when the server listens.
class Listening final : public TServerEventHandler {
 public:
  void preServe() override {
    const std::lock_guard lock(mutex_);
    listening_ = true;
    changed_.notify_all();
  }
  void Await() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return listening_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool listening_ = false;
};

// A connection of its own: a client belongs to one thread.
class ThriftCaller final : public Caller {
 public:
  ThriftCaller(const std::string& path, size_t payload)
      : transport_(std::make_shared<TBufferedTransport>(std::make_shared<TSocket>(path))),
        client_(std::make_shared<TBinaryProtocol>(transport_)),
        request_(payload, 'x') {
    transport_->open();
  }

  void Call() override {
    client_.unary(reply_, request_);
    if (reply_.size() != request_.size()) Check(absl::DataLossError("wrong reply"));
  }

 private:
  const std::shared_ptr<TBufferedTransport> transport_;
  thrift::EchoClient client_;
  const std::string request_;
  std::string reply_;
};

class ThriftSubject final : public Subject {
 public:
  absl::Status Serve(const std::string& address, const Ready& ready) override {
    TThreadedServer server(std::make_shared<thrift::EchoProcessor>(std::make_shared<EchoHandler>()),
                           std::make_shared<TServerSocket>(address),
                           std::make_shared<TBufferedTransportFactory>(),
                           std::make_shared<TBinaryProtocolFactory>());
    const auto listening = std::make_shared<Listening>();
    server.setServerEventHandler(listening);
    std::thread thread([&] { server.serve(); });
    listening->Await();
    ready(address);
    server.stop();
    thread.join();
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Link>> Connect(const std::string& address) override {
    return std::make_unique<LinkPerCaller<ThriftCaller>>(address);
  }
};

}  // namespace
}  // namespace nigh::benchmarks

int main(int argc, char** argv) {
  using nigh::benchmarks::ThriftSubject;
  return nigh::benchmarks::RunBenchmark(argc, argv,
                                        []() -> std::unique_ptr<nigh::benchmarks::Subject> {
                                          return std::make_unique<ThriftSubject>();
                                        });
}
