// Coroutines on both sides: code that reads like calls that wait, and no thread that does.
//
//   bazel run //examples/coroutine -- local:coroutine

#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "examples/coroutine/greeter.h"
#include "examples/greeter/hello.nigh.h"
#include "nigh/channel.h"
#include "nigh/co_client.h"
#include "nigh/server.h"
#include "nigh/task.h"

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

nigh::Task<absl::Status> GreetOnce(const Greeter::Stub& greeter) {
  const HelloRequest request = RequestFor("ann");
  absl::StatusOr<HelloReply> reply = co_await greeter.CoSayHello(request);
  if (!reply.ok()) co_return reply.status();
  std::cout << reply->message() << "\n";
  co_return absl::OkStatus();
}

nigh::Task<absl::Status> ListenToGreetings(const Greeter::Stub& greeter) {
  nigh::CoClientReader<HelloReply> replies = greeter.CoLotsOfReplies(RequestFor("bob", 2));
  while (std::optional<HelloReply> reply = co_await replies.Read()) {
    std::cout << reply->message() << "\n";
  }
  co_return co_await replies.Finish();
}

nigh::Task<absl::Status> GreetTogether(const Greeter::Stub& greeter) {
  nigh::CoClientWriter<HelloRequest, HelloReply> requests = greeter.CoLotsOfGreetings();
  for (const char* name : {"ann", "bob"}) {
    const HelloRequest request = RequestFor(name);
    if (!co_await requests.Write(request)) break;  // Finish tells why
  }
  absl::StatusOr<HelloReply> reply = co_await requests.Finish();
  if (!reply.ok()) co_return reply.status();
  std::cout << reply->message() << "\n";
  co_return absl::OkStatus();
}

nigh::Task<absl::Status> Converse(const Greeter::Stub& greeter) {
  std::vector<nigh::CoClientStream<HelloRequest, HelloReply>> conversations;
  for (int i = 0; i < 1000; ++i) conversations.push_back(greeter.CoBidiHello());
  const HelloRequest request = RequestFor("everybody");
  for (auto& conversation : conversations) {
    if (!co_await conversation.Write(request)) co_return co_await conversation.Finish();
  }
  for (auto& conversation : conversations) {
    const std::optional<HelloReply> reply = co_await conversation.Read();
    if (!reply.has_value()) co_return co_await conversation.Finish();
  }
  std::cout << conversations.size() << " conversations at once\n";
  // Those that are not finished are cancelled as they go.
  co_return absl::OkStatus();
}

nigh::Task<absl::Status> Run(const Greeter::Stub& greeter) {
  for (auto* part : {GreetOnce, ListenToGreetings, GreetTogether, Converse}) {
    absl::Status status = co_await part(greeter);
    if (!status.ok()) co_return status;
  }
  co_return absl::OkStatus();
}

absl::Status ServeAndRun(const std::string& address) {
  CoGreeter service;
  nigh::Server server;
  server.Register(service);
  if (absl::Status status = server.Listen(address); !status.ok()) return status;
  if (absl::Status status = server.Start(); !status.ok()) return status;

  auto channel = nigh::Dial(address);
  if (!channel.ok()) return channel.status();
  const Greeter::Stub greeter(*channel);
  return nigh::BlockOn(Run(greeter));
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = ServeAndRun(argc > 1 ? argv[1] : "inproc:coroutine");
  if (status.ok()) return 0;
  std::cerr << status << "\n";
  return 1;
}
