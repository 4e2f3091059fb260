#include "tests/processes/plugin.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "nigh/channel.h"
#include "nigh/options.h"
#include "nigh/server.h"
#include "nigh/transport/unique_fd.h"
#include "tests/processes/host.nigh.h"

namespace nigh::testing {
namespace {

// How a child ends that `make` makes, which returns its number, and that then gets SIGINT.
std::string EndByInterrupt(const std::function<pid_t()>& make) {
  const pid_t child = make();
  ::kill(child, SIGINT);
  int status = 0;
  ::waitpid(child, &status, 0);
  return DescribeEnd(status);
}

pid_t StartProgram() {
  std::string program = "/bin/sleep";
  std::string forever = "1000";
  std::array<char*, 3> words = {program.data(), forever.data(), nullptr};
  pid_t child = -1;
  ::posix_spawn(&child, program.c_str(), nullptr, nullptr, words.data(), environ);
  return child;
}

pid_t ForkSleeper() {
  const pid_t child = ::fork();
  while (child == 0) ::pause();
  return child;
}

class Plugin final : public Host::Service {
  absl::Status Echo(ServerContext&, const Text& request, Text* reply) override {
    reply->set_text(request.text() == "children" ? absl::StrCat(EndByInterrupt(StartProgram), ", ",
                                                                EndByInterrupt(ForkSleeper))
                                                 : absl::StrCat(++calls_));
    return absl::OkStatus();
  }

  int calls_ = 0;
};

void Mark(const std::string& path, absl::string_view text = "") {
  const std::string unfinished = absl::StrCat(path, ".tmp");
  std::ofstream(unfinished) << text;
  ::rename(unfinished.c_str(), path.c_str());
}

void Meet(absl::string_view words) {
  const std::string mark(words.substr(0, words.find(',')));
  const std::string own = absl::StrCat(mark, ".", words.substr(mark.size() + 1));
  Mark(own);
  for (const char* const other : {".0", ".1", ".2"}) {
    while (::access(absl::StrCat(mark, other).c_str(), F_OK) != 0) ::sched_yield();
  }
  Mark(absl::StrCat(own, ".done"));
}

// Alive when static objects are destroyed.
std::vector<std::shared_ptr<Channel>>& GlobalChannels() {
  static std::vector<std::shared_ptr<Channel>> channels;
  return channels;
}

std::optional<int> ActAsHost(absl::string_view end, absl::Span<char* const> addresses) {
  std::vector<std::shared_ptr<Channel>> channels;
  for (const char* const address : addresses) {
    channels.push_back(Dial(address).value());
    if (Ask(channels.back()) != "1") return 2;
  }
  if (end == "lets-go") {
    channels.clear();
  } else if (end == "global" || end == "exits" || end == "thread-exits") {
    GlobalChannels() = std::move(channels);
  } else if (end == "leaks") {
    // Volatile, so that it is there for LeakSanitizer to see.
    [[maybe_unused]] static std::vector<std::shared_ptr<Channel>>* volatile never_destroyed;
    never_destroyed = new std::vector<std::shared_ptr<Channel>>(std::move(channels));
  }
  if (end == "exits") std::exit(0);
  if (end == "thread-exits") std::thread([] { std::exit(0); }).join();
  if (end == "quits") ::_exit(0);
  return 0;
}

}  // namespace

std::string DescribeEnd(int wait_status) {
  return WIFEXITED(wait_status) ? absl::StrCat("exit ", WEXITSTATUS(wait_status))
                                : absl::StrCat("signal ", WTERMSIG(wait_status));
}

int ServeAsPlugin(Interrupt interrupt) {
  Plugin plugin;
  Server server({.interrupt = interrupt});
  server.Register(plugin);
  if (!server.Listen("stdio:").ok()) return 2;
  return server.Run().ok() ? 0 : 3;
}

std::optional<int> ActIfAsked(int argc, char** argv) {
  absl::string_view word = argc > 1 ? argv[1] : "";
  if (word == "--plugin") return ServeAsPlugin();
  if (word == "--plugin-stops") return ServeAsPlugin(Interrupt::kStops);
  if (absl::ConsumePrefix(&word, "--cleans=")) {
    const int result = ServeAsPlugin();
    // It stands for work.
    absl::SleepFor(absl::Milliseconds(20));
    Mark(std::string(word));
    return result;
  }
  if (absl::ConsumePrefix(&word, "--meets=")) {
    const int result = ServeAsPlugin();
    Meet(word);
    return result;
  }
  if (absl::ConsumePrefix(&word, "--stays=")) {
    Mark(std::string(word), absl::StrCat(::getpid()));
    (void)ServeAsPlugin();
    for (;;) ::pause();
  }
  if (absl::ConsumePrefix(&word, "--host=")) {
    return ActAsHost(word, absl::MakeSpan(argv, static_cast<size_t>(argc)).subspan(2));
  }
  return std::nullopt;
}

std::string PluginAddress(absl::string_view words) {
  return absl::StrCat("exec:/proc/self/exe ", words);
}

std::string Ask(const std::shared_ptr<Channel>& channel, const std::string& text) {
  Text request;
  request.set_text(text);
  const absl::StatusOr<Text> reply =
      Host::Stub(channel).Echo(request, {.timeout = kPluginPatience});
  return reply.ok() ? reply->text() : reply.status().ToString();
}

UniqueFd OpenProcess(pid_t pid) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

bool HasEnded(const UniqueFd& process) {
  pollfd entry = {.fd = process.get(), .events = POLLIN, .revents = 0};
  const auto patience = static_cast<int>(absl::ToInt64Milliseconds(kPluginPatience));
  return ::poll(&entry, 1, patience) == 1;
}

}  // namespace nigh::testing

int main(int argc, char** argv) {
  if (const std::optional<int> code = nigh::testing::ActIfAsked(argc, argv)) return *code;
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
