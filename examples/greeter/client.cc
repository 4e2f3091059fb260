// Says hello to a greeter.
//
//   bazel run //examples/greeter:client -- local:greeter NAME

#include <iostream>

#include "absl/status/statusor.h"
#include "examples/greeter/hello.nigh.h"
#include "nigh/channel.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: client ADDRESS NAME\n";
    return 2;
  }
  auto channel = nigh::Dial(argv[1]);
  if (!channel.ok()) {
    std::cerr << channel.status() << "\n";
    return 1;
  }
  helloworld::Greeter::Stub greeter(*channel);
  helloworld::HelloRequest request;
  request.set_name(argv[2]);
  absl::StatusOr<helloworld::HelloReply> reply =
      greeter.SayHello(request, {.timeout = absl::Seconds(5)});
  if (!reply.ok()) {
    std::cerr << reply.status() << "\n";
    return 1;
  }
  std::cout << reply->message() << "\n";
  return 0;
}
