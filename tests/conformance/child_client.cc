#include "tests/conformance/child_client.h"

#include <deque>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/client_stream.h"
#include "tests/conformance/scripted.nigh.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

constexpr char kCallArgument[] = "--call";

}  // namespace

std::unique_ptr<Child> StartClient(const std::string& address, const Play& play, int connections) {
  return std::make_unique<Child>(std::vector<std::string>{
      kCallArgument, address, absl::BytesToHexString(play.script().SerializeAsString()),
      absl::StrCat(connections)});
}

std::optional<int> CallIfAsked(int argc, char** argv) {
  if (argc != 5 || absl::string_view(argv[1]) != kCallArgument) return std::nullopt;
  DieWithParent();
  int connections = 0;
  if (!absl::SimpleAtoi(argv[4], &connections)) return 1;
  std::deque<ClientContext> contexts;
  std::vector<ClientStream<Blob, Blob>> streams;
  for (int i = 0; i < connections; ++i) {
    ClientContext& context = contexts.emplace_back();
    context.AddMetadata(kScriptKey, absl::HexStringToBytes(argv[3]));
    const auto channel = Dial(argv[2], {.transports = {&TheSubject().transport, 1}});
    streams.push_back(Scripted::Stub(*channel).Both(context));
    if (!streams.back().Write(Blob())) {
      std::cerr << "connection " << i << ": " << streams.back().Finish() << "\n";
      return 1;
    }
  }
  while (streams.back().Read().has_value()) {
  }
  return streams.back().Finish().ok() ? 0 : 1;
}

}  // namespace nigh::testing
