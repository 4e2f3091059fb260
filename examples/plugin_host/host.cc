// A host with two plugins, each in a process of its own: one that crashes takes nothing with it,
// and the next call starts it again.
//
//   bazel run //examples/plugin_host:host -- one palindrome two

#include <cstddef>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "examples/plugin_host/plugin.nigh.h"
#include "nigh/nigh.h"

namespace {

struct LoadedPlugin {
  std::string name;
  plugin::Plugin::Stub stub;
};

absl::StatusOr<std::vector<LoadedPlugin>> Load(const std::string& program) {
  std::vector<LoadedPlugin> plugins;
  for (const char* name : {"upper", "reverse"}) {
    // The channel starts the process for the first call, and another whenever that has ended.
    auto channel = nigh::Dial(absl::StrCat("exec:", program, " ", name));
    if (!channel.ok()) return channel.status();
    plugins.push_back({name, plugin::Plugin::Stub(*channel)});
  }
  return plugins;
}

void Show(const std::vector<LoadedPlugin>& plugins, const std::string& text) {
  plugin::Word word;
  word.set_text(text);
  for (const LoadedPlugin& each : plugins) {
    // A plugin that has just crashed is started again for this.
    const absl::StatusOr<plugin::Word> result = each.stub.Transform(word, {.wait_for_ready = true});
    std::cout << each.name << " " << text << ": "
              << (result.ok() ? result->text() : result.status().ToString()) << "\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto plugins = Load("examples/plugin_host/plugin");
  if (!plugins.ok()) {
    std::cerr << plugins.status() << "\n";
    return 1;
  }
  for (int i = 1; i < argc; ++i) Show(*plugins, argv[i]);
  return 0;
}
