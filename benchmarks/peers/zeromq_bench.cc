// Measures ZeroMQ: a REQ and a REP socket, which carry the same protobuf messages as nigh and gRPC;
// and, for streams, a PUSH and a PULL socket.
//
//   bazel run -c opt //benchmarks/peers:zeromq_bench -- --address=ipc:///tmp/bench-{pid}

#include <zmq.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "benchmarks/echo.pb.h"
#include "benchmarks/harness/main.h"
#include "benchmarks/harness/subject.h"
#include "benchmarks/peers/link_per_caller.h"

namespace nigh::benchmarks {
namespace {

absl::Status Failed(const char* operation) {
  return absl::InternalError(absl::StrCat(operation, ": ", zmq_strerror(errno)));
}

class Context {
 public:
  Context() : context_(zmq_ctx_new()) {}
  ~Context() {
    zmq_ctx_shutdown(context_);
    zmq_ctx_term(context_);
  }
  // Ends what waits in its sockets.
  void Shutdown() { zmq_ctx_shutdown(context_); }
  void* get() const { return context_; }

 private:
  void* const context_;
};

class Socket {
 public:
  Socket(const Context& context, int type) : socket_(zmq_socket(context.get(), type)) {
    const int linger = 0;
    zmq_setsockopt(socket_, ZMQ_LINGER, &linger, sizeof(linger));
  }
  ~Socket() { zmq_close(socket_); }

  // False: not sent, or the context has been shut down.
  bool Send(const Payload& payload) {
    zmq_msg_t message;
    zmq_msg_init_size(&message, payload.ByteSizeLong());
    payload.SerializeWithCachedSizesToArray(static_cast<uint8_t*>(zmq_msg_data(&message)));
    if (zmq_msg_send(&message, socket_, 0) >= 0) return true;
    zmq_msg_close(&message);
    return false;
  }
  bool Receive(Payload& payload) {
    zmq_msg_t message;
    zmq_msg_init(&message);
    const bool received =
        zmq_msg_recv(&message, socket_, 0) >= 0 &&
        payload.ParseFromArray(zmq_msg_data(&message), static_cast<int>(zmq_msg_size(&message)));
    zmq_msg_close(&message);
    return received;
  }
  void* get() const { return socket_; }

 private:
  void* const socket_;
};

// A connection of its own: a socket belongs to one thread.
class ZeroMqCaller final : public Caller {
 public:
  ZeroMqCaller(const std::string& address, size_t payload) : socket_(context_, ZMQ_REQ) {
    if (zmq_connect(socket_.get(), address.c_str()) != 0) Check(Failed("zmq_connect"));
    request_.set_data(std::string(payload, 'x'));
  }

  void Call() override {
    if (!socket_.Send(request_)) Check(Failed("zmq_msg_send"));
    if (!socket_.Receive(reply_)) Check(Failed("zmq_msg_recv"));
    if (reply_.data().size() != request_.data().size()) Check(absl::DataLossError("wrong reply"));
  }

 private:
  Context context_;
  Socket socket_;
  Payload request_;
  Payload reply_;
};

// As many wait at each end. Each of 1,000 by default, which is a gigabyte of long messages.
constexpr int kMostWaiting = 8;

std::string StreamAddress(const std::string& address) { return absl::StrCat(address, "-stream"); }

void Limit(const Socket& socket) {
  for (const int option : {ZMQ_SNDHWM, ZMQ_RCVHWM}) {
    zmq_setsockopt(socket.get(), option, &kMostWaiting, sizeof(kMostWaiting));
  }
}

class ZeroMqLink final : public LinkPerCaller<ZeroMqCaller> {
 public:
  explicit ZeroMqLink(const std::string& address) : LinkPerCaller(address), address_(address) {}

  // The server pushes messages as long as somebody pulls, as long as the last REQ was.
  absl::Status ReadStream(uint64_t messages, size_t payload) override {
    const Context context;
    Socket socket(context, ZMQ_PULL);
    Limit(socket);
    ZeroMqCaller(address_, payload).Call();
    if (zmq_connect(socket.get(), StreamAddress(address_).c_str()) != 0) {
      return Failed("zmq_connect");
    }
    Payload message;
    for (uint64_t i = 0; i < messages; ++i) {
      if (!socket.Receive(message)) return Failed("zmq_msg_recv");
      if (message.data().size() != payload) --i;  // of a stream before
    }
    return absl::OkStatus();
  }

 private:
  const std::string address_;
};

class ZeroMqSubject final : public Subject {
 public:
  absl::Status Serve(const std::string& address, const Ready& ready) override {
    Context context;
    std::atomic<size_t> payload = 0;
    std::thread server;
    std::thread streamer;
    {
      auto socket = std::make_shared<Socket>(context, ZMQ_REP);
      if (zmq_bind(socket->get(), address.c_str()) != 0) return Failed("zmq_bind");
      server = std::thread([socket = std::move(socket), &payload] {
        Payload request;
        Payload reply;
        while (socket->Receive(request)) {
          payload = request.data().size();
          reply.set_data(request.data());
          if (!socket->Send(reply)) break;
        }
      });
    }
    {
      auto socket = std::make_shared<Socket>(context, ZMQ_PUSH);
      Limit(*socket);
      if (zmq_bind(socket->get(), StreamAddress(address).c_str()) != 0) return Failed("zmq_bind");
      streamer = std::thread([socket = std::move(socket), &payload] {
        Payload message;
        do {
          if (message.data().size() != payload) message.set_data(std::string(payload, 'x'));
        } while (socket->Send(message));  // waits until somebody pulls
      });
    }
    ready(address);
    context.Shutdown();
    server.join();
    streamer.join();
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Link>> Connect(const std::string& address) override {
    return std::make_unique<ZeroMqLink>(address);
  }
};

}  // namespace
}  // namespace nigh::benchmarks

int main(int argc, char** argv) {
  using nigh::benchmarks::ZeroMqSubject;
  return nigh::benchmarks::RunBenchmark(argc, argv,
                                        []() -> std::unique_ptr<nigh::benchmarks::Subject> {
                                          return std::make_unique<ZeroMqSubject>();
                                        });
}
