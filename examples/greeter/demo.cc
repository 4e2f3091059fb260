// Starts the greeter server in a process of its own and calls it over every transport there is.
//
//   ./dev demo

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "examples/greeter/greeter.h"
#include "nigh/channel.h"
#include "nigh/server.h"
#include "nigh/transport/pipe_ends.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"

namespace {

constexpr int kCalls = 20'000;

// The server process, from its start until it has obeyed a SIGTERM.
class ServerProcess {
 public:
  explicit ServerProcess(const std::string& program, const std::vector<std::string>& addresses) {
    int ends[2];
    if (::pipe(ends) != 0) return;
    output_ = ::fdopen(ends[0], "r");
    const nigh::UniqueFd child_end(ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_addclose(&actions, ends[0]);
    std::vector<char*> arguments = {const_cast<char*>(program.c_str())};
    for (const std::string& address : addresses) {
      arguments.push_back(const_cast<char*>(address.c_str()));
    }
    arguments.push_back(nullptr);
    if (::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments.data(), environ) != 0) {
      pid_ = -1;
    }
    ::posix_spawn_file_actions_destroy(&actions);
  }
  ~ServerProcess() { Stop(); }

  // The next address that it says it serves at; empty when it has ended instead.
  std::string NextAddress() {
    char line[512];
    if (output_ == nullptr || std::fgets(line, sizeof(line), output_) == nullptr) return "";
    absl::string_view address = absl::StripSuffix(line, "\n");
    return absl::ConsumePrefix(&address, "serving at ") ? std::string(address) : "";
  }

  // Its exit code after a SIGTERM.
  int Stop() {
    if (output_ != nullptr) std::fclose(output_);
    output_ = nullptr;
    if (pid_ <= 0) return -1;
    int status = 0;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  std::FILE* output_ = nullptr;
};

absl::Status Measure(const std::string& address) {
  auto channel = nigh::Dial(address);
  if (!channel.ok()) return channel.status();
  const helloworld::Greeter::Stub greeter(*channel);
  helloworld::HelloRequest request;
  request.set_name(address.substr(0, address.find(':')));
  helloworld::HelloReply reply;
  std::vector<int64_t> nanos;
  nanos.reserve(kCalls);
  const absl::Time begin = absl::Now();
  for (int i = 0; i < kCalls; ++i) {
    nigh::ClientContext context;
    const int64_t start = absl::GetCurrentTimeNanos();
    if (absl::Status status = greeter.SayHello(context, request, &reply); !status.ok()) {
      return status;
    }
    nanos.push_back(absl::GetCurrentTimeNanos() - start);
  }
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  std::sort(nanos.begin(), nanos.end());
  const auto microseconds = [&](double part) {
    return static_cast<double>(nanos[static_cast<size_t>(part * (kCalls - 1))]) / 1000.0;
  };
  absl::PrintF("%-15s %-24s %8.2f us %8.2f us %12.0f\n", request.name(), reply.message(),
               microseconds(0.50), microseconds(0.99), kCalls / seconds);
  return absl::OkStatus();
}

// An address of each transport in the table, by its scheme; empty for one that this demo does not
// know.
std::string ExampleAddress(absl::string_view scheme) {
  const std::string name = absl::StrCat("nigh-demo-", ::getpid());
  for (const char* with_path : {"local", "shm", "unix", "fifo", "sysvmq"}) {
    if (scheme == with_path) return absl::StrCat(scheme, ":/tmp/", name, ".", scheme);
  }
  if (scheme == "unix-abstract" || scheme == "inproc") return absl::StrCat(scheme, ":", name);
  if (scheme == "tcp") return "tcp://127.0.0.1:0";
  if (scheme == "mqueue") return absl::StrCat("mqueue:/", name);
  return "";
}

// Where the servers listen: one in this process, one in another, which inherits two pipes.
struct Places {
  std::vector<std::string> here;
  std::vector<std::string> there;
  nigh::PipeEnds our_pipes;
  nigh::PipeEnds their_pipes;
  bool child = false;  // and one that the client starts
};

absl::StatusOr<Places> ChoosePlaces() {
  Places places;
  for (const nigh::Transport& transport : nigh::AllTransports()) {
    if (transport.scheme == "pipe") {
      auto pipes = nigh::MakePipes();
      if (!pipes.ok()) return pipes.status();
      std::tie(places.our_pipes, places.their_pipes) = *std::move(pipes);
      if (absl::Status kept = places.their_pipes.KeepOnExec(); !kept.ok()) return kept;
    } else if (transport.scheme == "exec") {
      places.child = true;
    } else if (transport.scheme == "stdio") {
      // Where the child listens.
    } else if (transport.handed != nullptr) {
      // It stands for sockets of others.
    } else if (std::string address = ExampleAddress(transport.scheme); address.empty()) {
      return absl::InternalError(absl::StrCat("no example address for ", transport.scheme, ":"));
    } else {
      (transport.scheme == "inproc" ? places.here : places.there).push_back(std::move(address));
    }
  }
  return places;
}

absl::Status Demo(const std::string& program) {
  absl::StatusOr<Places> places = ChoosePlaces();
  if (!places.ok()) return places.status();
  nigh::Server local;  // for what does not leave the process
  GreeterImpl greeter;
  local.Register(greeter);
  for (const std::string& address : places->here) {
    if (absl::Status status = local.Listen(address); !status.ok()) return status;
  }
  if (absl::Status status = local.Start(); !status.ok()) return status;
  std::vector<std::string> arguments = places->there;
  arguments.push_back(places->their_pipes.address());
  ServerProcess process(program, arguments);
  places->their_pipes = {};
  std::vector<std::string> addresses = local.addresses();
  for (size_t i = 0; i < arguments.size(); ++i) {
    addresses.push_back(process.NextAddress());
    if (addresses.back().empty()) {
      return absl::UnavailableError(absl::StrCat("the server ", program, " did not come up"));
    }
  }
  // The other ends of the pipes.
  addresses.back() = places->our_pipes.Release();
  if (places->child) addresses.push_back(absl::StrCat("exec:", program, " stdio:"));
  absl::PrintF("%-15s %-24s %11s %11s %12s\n", "transport", "reply", "p50", "p99", "calls/s");
  for (const std::string& address : addresses) {
    if (absl::Status status = Measure(address); !status.ok()) return status;
  }
  if (const int code = process.Stop(); code != 0) {
    return absl::InternalError(absl::StrCat("the server's exit code after SIGTERM: ", code));
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = Demo(argc > 1 ? argv[1] : "examples/greeter/server");
  if (status.ok()) return 0;
  std::cerr << status << "\n";
  return 1;
}
