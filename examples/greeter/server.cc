// A greeter: serves until it is told to stop.
//
//   bazel run //examples/greeter:server -- local:greeter [ADDRESS...]

#include <iostream>

#include "absl/status/status.h"
#include "examples/greeter/greeter.h"
#include "nigh/server.h"

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
