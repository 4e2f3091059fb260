#include "tests/conformance/child_client.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "tests/conformance/scripted.nigh.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

constexpr char kCallArgument[] = "--call";

}  // namespace

std::unique_ptr<Child> StartClient(const std::string& address, const Play& play) {
  return std::make_unique<Child>(std::vector<std::string>{
      kCallArgument, address, absl::BytesToHexString(play.script().SerializeAsString())});
}

std::optional<int> CallIfAsked(int argc, char** argv) {
  if (argc != 4 || absl::string_view(argv[1]) != kCallArgument) return std::nullopt;
  DieWithParent();
  ClientContext context;
  context.AddMetadata(kScriptKey, absl::HexStringToBytes(argv[3]));
  auto stream =
      Scripted::Stub(*Dial(argv[2], {.transports = {&TheSubject().transport, 1}})).Both(context);
  stream.Write(Blob());
  while (stream.Read().has_value()) {
  }
  return stream.Finish().ok() ? 0 : 1;
}

}  // namespace nigh::testing
