// The client of gRPC's interoperability tests: exits with 0 when the case has passed.
//
//   bazel run //tests/interop:client -- --target=unix:/tmp/interop.sock --test_case=large_unary

#include <iostream>
#include <memory>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nigh/channel.h"
#include "tests/interop/cases.h"

ABSL_FLAG(std::string, target, "", "the server's address");
ABSL_FLAG(std::string, test_case, "all", "the case's name, or all");

namespace {

using nigh::testing::InteropCase;
using nigh::testing::InteropCases;

bool Run(absl::string_view name, const std::shared_ptr<nigh::Channel>& channel) {
  const absl::Status status = nigh::testing::RunInteropCase(name, channel);
  std::cout << name << ": " << (status.ok() ? "passed" : status.ToString()) << std::endl;
  return status.ok();
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(absl::StrCat(
      "calls grpc.testing.TestService\n  client --target=ADDRESS [--test_case=NAME]\nCases: ",
      absl::StrJoin(InteropCases(), " ", [](std::string* out, const InteropCase& known) {
        absl::StrAppend(out, known.name);
      })));
  absl::ParseCommandLine(argc, argv);
  const absl::StatusOr<std::shared_ptr<nigh::Channel>> channel =
      nigh::Dial(absl::GetFlag(FLAGS_target));
  if (!channel.ok()) {
    std::cerr << "--target: " << channel.status() << "\n";
    return 1;
  }
  const std::string name = absl::GetFlag(FLAGS_test_case);
  if (name != "all") return Run(name, *channel) ? 0 : 1;
  bool passed = true;
  for (const InteropCase& known : InteropCases()) passed = Run(known.name, *channel) && passed;
  return passed ? 0 : 1;
}
