// Calls with callbacks: many at once from one thread, which goes on meanwhile.
//
//   bazel run //examples/async -- local:async

#include <array>
#include <future>
#include <iostream>
#include <string>

#include "absl/status/status.h"
#include "examples/greeter/greeter.h"
#include "examples/greeter/hello.nigh.h"
#include "nigh/async_stream.h"
#include "nigh/channel.h"
#include "nigh/server.h"

namespace {

using helloworld::Greeter;
using helloworld::HelloReply;
using helloworld::HelloRequest;

HelloRequest RequestFor(const std::string& name, int times = 1) {
  HelloRequest request;
  request.set_name(name);
  request.set_times(times);
  return request;
}

// Everything that a call needs while it is out. It must not go before the callback has run.
struct Call {
  nigh::ClientContext context;
  HelloReply reply;
  std::promise<absl::Status> status;
};

absl::Status GreetAllAtOnce(const Greeter::Stub& greeter) {
  const std::array<std::string, 3> names = {"ann", "bob", "cid"};
  std::array<Call, names.size()> calls;
  for (size_t i = 0; i < names.size(); ++i) {
    Call& call = calls[i];
    call.context.set_timeout(absl::Seconds(5));
    // The request need not outlive the function. The callback runs in a thread of nigh's.
    greeter.AsyncSayHello(call.context, RequestFor(names[i]), &call.reply,
                          [&call](const absl::Status& status) { call.status.set_value(status); });
  }
  // Whatever else there is to do, until:
  absl::Status all;
  for (Call& call : calls) {
    all.Update(call.status.get_future().get());
    std::cout << call.reply.message() << "\n";
  }
  return all;
}

// A stream of replies: each callback asks for the next.
class Listener {
 public:
  Listener(const Greeter::Stub& greeter, const HelloRequest& request)
      : replies_(greeter.AsyncLotsOfReplies(context_, request)) {
    Listen();
  }

  absl::Status Wait() { return status_.get_future().get(); }

 private:
  void Listen() {
    replies_.Read(&reply_, [this](bool ok) {
      if (!ok) return Finish();
      std::cout << reply_.message() << "\n";
      Listen();
    });
  }
  void Finish() {
    replies_.Finish([this](const absl::Status& status) { status_.set_value(status); });
  }

  nigh::ClientContext context_;
  HelloReply reply_;
  std::promise<absl::Status> status_;
  // First to go: its callbacks use the others, and do not run any more when it has gone.
  nigh::AsyncClientReader<HelloReply> replies_;
};

absl::Status Run(const std::string& address) {
  GreeterImpl service;
  nigh::Server server;
  server.Register(service);
  if (absl::Status status = server.Listen(address); !status.ok()) return status;
  if (absl::Status status = server.Start(); !status.ok()) return status;

  auto channel = nigh::Dial(address);
  if (!channel.ok()) return channel.status();
  const Greeter::Stub greeter(*channel);
  if (absl::Status status = GreetAllAtOnce(greeter); !status.ok()) return status;
  Listener listener(greeter, RequestFor("again", 3));
  absl::Status ended = listener.Wait();
  std::cout << "the stream ended with " << ended << "\n";
  return ended;
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = Run(argc > 1 ? argv[1] : "inproc:async");
  if (status.ok()) return 0;
  std::cerr << status << "\n";
  return 1;
}
