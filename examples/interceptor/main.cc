// A greeter behind interceptors, and clients with others: one that is known to it, a stranger, and
// one whose calls get lost.
//
//   bazel run //examples/interceptor -- local:interceptor

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "examples/greeter/greeter.h"
#include "examples/interceptor/interceptors.h"
#include "nigh/nigh.h"

namespace {

constexpr char kToken[] = "open sesame";

absl::Status Greet(const std::string& address,
                   std::vector<std::shared_ptr<nigh::ClientInterceptor>> interceptors, int times) {
  auto channel = nigh::Dial(address, {.interceptors = std::move(interceptors)});
  if (!channel.ok()) return channel.status();
  const helloworld::Greeter::Stub greeter(*channel);
  helloworld::HelloRequest request;
  request.set_name("ann");
  for (int i = 0; i < times; ++i) {
    const absl::StatusOr<helloworld::HelloReply> reply = greeter.SayHello(request);
    std::cout << (reply.ok() ? reply->message() : reply.status().ToString()) << "\n";
  }
  return absl::OkStatus();
}

absl::Status Run(const std::string& address) {
  GreeterImpl greeter;
  // The journal is outermost, so that it tells of calls that are turned away, too.
  nigh::Server server(
      {.interceptors = {std::make_shared<Journal<nigh::InterceptedServerCall>>("server"),
                        std::make_shared<CheckToken>(kToken)}});
  server.Register(greeter);
  if (absl::Status status = server.Listen(address); !status.ok()) return status;
  if (absl::Status status = server.Start(); !status.ok()) return status;

  const auto journal = std::make_shared<Journal<nigh::InterceptedClientCall>>("client");
  const auto token = std::make_shared<BearToken>(kToken);
  if (absl::Status status = Greet(address, {journal, token}, 1); !status.ok()) return status;
  if (absl::Status status = Greet(address, {}, 1); !status.ok()) return status;
  return Greet(address, {token, std::make_shared<LoseHalf>()}, 2);
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = Run(argc > 1 ? argv[1] : "inproc:interceptor");
  if (status.ok()) return 0;
  std::cerr << status << "\n";
  return 1;
}
