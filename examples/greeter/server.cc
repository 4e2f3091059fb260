// A greeter: serves until it is told to stop.
//
//   bazel run //examples/greeter:server -- unix:/tmp/greeter.sock [ADDRESS...]

#include <iostream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "examples/greeter/hello.nigh.h"
#include "nigh/server.h"

namespace {

using helloworld::HelloReply;
using helloworld::HelloRequest;

class GreeterImpl final : public helloworld::Greeter::Service {
  absl::Status SayHello(nigh::ServerContext&, const HelloRequest& request,
                        HelloReply* reply) override {
    reply->set_message(absl::StrCat("hello ", request.name()));
    return absl::OkStatus();
  }
};

}  // namespace

int main(int argc, char** argv) {
  GreeterImpl greeter;
  nigh::Server server;
  server.Register(greeter);
  for (int i = 1; i < argc; ++i) {
    if (absl::Status status = server.Listen(argv[i]); !status.ok()) {
      std::cerr << status << "\n";
      return 1;
    }
  }
  for (const std::string& address : server.addresses()) {
    std::cout << "serving at " << address << std::endl;
  }
  if (absl::Status status = server.Run(); !status.ok()) {
    std::cerr << status << "\n";
    return 1;
  }
  return 0;
}
