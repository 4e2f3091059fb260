// The server of gRPC's interoperability tests, until SIGTERM or SIGINT.
//
//   bazel run //tests/interop:server -- --address=unix:/tmp/interop.sock

#include <iostream>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "nigh/server.h"
#include "tests/interop/service.h"

ABSL_FLAG(std::string, address, "", "where to listen, unix:/tmp/interop.sock for example");

namespace {

absl::Status Serve() {
  const std::string address = absl::GetFlag(FLAGS_address);
  if (address.empty()) return absl::InvalidArgumentError("--address says where to listen");
  nigh::testing::InteropService service;
  nigh::Server server;
  server.Register(service);
  if (absl::Status status = server.Listen(address); !status.ok()) return status;
  std::cout << "serving at " << server.addresses().front() << std::endl;
  return server.Run();
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("serves grpc.testing.TestService\n  server --address=ADDRESS");
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = Serve();
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
