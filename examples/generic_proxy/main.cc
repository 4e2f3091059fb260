// Serves at one address what another serves.
//
//   bazel run //examples/generic_proxy -- local:proxy tcp://127.0.0.1:7000

#include <iostream>

#include "absl/status/status.h"
#include "examples/generic_proxy/proxy.h"
#include "nigh/nigh.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: generic_proxy ADDRESS TARGET\n";
    return 2;
  }
  auto target = nigh::Dial(argv[2]);
  if (!target.ok()) {
    std::cerr << target.status() << "\n";
    return 1;
  }
  Proxy proxy(*target);
  nigh::Server server;
  server.RegisterFallback(proxy);
  absl::Status status = server.Listen(argv[1]);
  if (status.ok()) {
    std::cout << "forwarding from " << server.addresses().front() << std::endl;
    status = server.Run();
  }
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
