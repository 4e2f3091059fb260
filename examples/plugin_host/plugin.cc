// A plugin: a program that its host starts and speaks with over its standard input and output.
//
//   plugin upper      turns words into capitals
//   plugin reverse    turns them round, and has a bug

#include <cstdlib>
#include <iostream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "examples/plugin_host/plugin.nigh.h"
#include "nigh/nigh.h"

namespace {

class Upper final : public plugin::Plugin::Service {
  absl::Status Transform(nigh::ServerContext&, const plugin::Word& word,
                         plugin::Word* result) override {
    result->set_text(absl::AsciiStrToUpper(word.text()));
    return absl::OkStatus();
  }
};

class Reverse final : public plugin::Plugin::Service {
  absl::Status Transform(nigh::ServerContext&, const plugin::Word& word,
                         plugin::Word* result) override {
    // Standard output is as good a place to chat as any: it does not lead to the host any more.
    std::cout << "reversing " << word.text() << std::endl;
    if (word.text() == "palindrome") {
      std::cerr << "cannot bear the word palindrome" << std::endl;
      std::abort();
    }
    result->set_text(std::string(word.text().rbegin(), word.text().rend()));
    return absl::OkStatus();
  }
};

int Serve(plugin::Plugin::Service& service) {
  nigh::Server server;
  server.Register(service);
  absl::Status status = server.Listen("stdio:");
  // Until the host closes the connection.
  if (status.ok()) status = server.Run();
  if (status.ok()) return 0;
  std::cerr << status << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const absl::string_view name = argc > 1 ? argv[1] : "";
  Upper upper;
  Reverse reverse;
  if (name == "upper") return Serve(upper);
  if (name == "reverse") return Serve(reverse);
  std::cerr << "usage: plugin upper|reverse\n";
  return 2;
}
