#include "tests/processes/host.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/deadline.h"
#include "nigh/server.h"
#include "nigh/transport/unique_fd.h"
#include "tests/conformance/child.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

constexpr int kPatienceMillis = 10'000;

}  // namespace

void EndAs(Way way) {
  switch (way) {
    case EXIT:
      std::exit(0);
    case QUIT:
      ::_exit(0);
    case EXEC:
      ::execl("/bin/true", "true", nullptr);
      ::_exit(1);
    case ABORT: {
      // It is no crash to look into.
      const rlimit none = {};
      ::setrlimit(RLIMIT_CORE, &none);
      ::signal(SIGABRT, SIG_DFL);
      std::abort();
    }
    case LIVE_ON:
      for (;;) ::pause();
    default:
      return;
  }
}

std::string AwaitEnd(pid_t child) {
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  pollfd end = {.fd = process.get(), .events = POLLIN, .revents = 0};
  const bool ended = ::poll(&end, 1, kPatienceMillis) == 1;
  if (!ended) ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!ended) return "hangs";
  return WIFEXITED(status) ? absl::StrCat("exit ", WEXITSTATUS(status))
                           : absl::StrCat("signal ", WTERMSIG(status));
}

absl::Status HostService::Echo(ServerContext&, const Text& request, Text* reply) {
  *reply = request;
  return absl::OkStatus();
}

absl::Status HostService::Count(ServerContext&, const Number& request, Number* reply) {
  if (tally_ != nullptr) tally_->Count(request.number());
  *reply = request;
  return absl::OkStatus();
}

absl::Status HostService::Repeat(ServerContext&, const Number& request,
                                 ServerWriter<Number>& replies) {
  if (tally_ != nullptr) tally_->Count(request.number());
  for (int i = 0; i < 3; ++i) {
    if (!replies.Write(request)) return absl::CancelledError("nobody reads");
  }
  return absl::OkStatus();
}

absl::Status HostService::Collect(ServerContext&, ServerReader<Number>& requests, Number* reply) {
  Number number;
  for (int i = 0; i < 3; ++i) {
    if (!requests.Read(&number)) return absl::DataLossError(absl::StrCat(i, " numbers"));
    if (i == 0) {
      *reply = number;
      if (tally_ != nullptr) tally_->Count(number.number());
    }
    if (number.number() != reply->number() + i) return absl::DataLossError("another number");
  }
  if (requests.Read(&number)) return absl::DataLossError("a fourth number");
  return absl::OkStatus();
}

absl::Status HostService::Converse(ServerContext&, ServerStream<Number, Number>& stream) {
  bool first = true;
  while (std::optional<Number> number = stream.Read()) {
    if (std::exchange(first, false) && tally_ != nullptr) tally_->Count(number->number());
    if (!stream.Write(*number)) break;
  }
  return absl::OkStatus();
}

absl::Status HostService::Chat(ServerContext&, ServerStream<Text, Text>& stream) {
  while (std::optional<Text> text = stream.Read()) {
    if (!stream.Write(*text)) break;
  }
  board.Raise("chat ended");
  return absl::OkStatus();
}

absl::Status HostService::Fork(ServerContext&, const ForkRequest& request, ForkReply* reply) {
  const pid_t child = testing::Fork(request.raw());
  if (child < 0) return absl::ErrnoToStatus(errno, "fork");
  if (child == 0) {
    EndAs(request.way());
    return absl::OkStatus();
  }
  reply->set_pid(child);
  if (request.way() != LIVE_ON) reply->set_end(AwaitEnd(child));
  return absl::OkStatus();
}

absl::Status HostService::End(ServerContext&, const ForkRequest& request, Text*) {
  EndAs(request.way());
  return absl::OkStatus();
}

pid_t Fork(bool raw) {
  return raw ? static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr))
             : ::fork();
}

namespace {

int RunAt(absl::string_view address, LostAddress lost) {
  DieWithParent();
  HostService service;
  ServerOptions options = OptionsOfServer();
  options.lost_address = lost;
  options.on_error = [](const absl::Status& error) { Say(error.ToString()); };
  Server server(options);
  server.Register(service);
  if (absl::Status listens = server.Listen(address); !listens.ok()) {
    Say(listens.ToString());
    return 1;
  }
  Say(server.addresses().front());
  Say(absl::StrCat("end: ", server.Run().ToString()));
  return 0;
}

// Serves and calls in this process. The reply, or the error that keeps from it.
std::string ServeAndCall() {
  HostService service;
  Server server(OptionsOfServer());
  server.Register(service);
  if (absl::Status listens = server.Listen(FreshAddress().ToString()); !listens.ok()) {
    return listens.ToString();
  }
  if (absl::Status starts = server.Start(); !starts.ok()) return starts.ToString();
  return Hello(Dial(server.addresses().front(), OptionsOfChannel()).value());
}

bool IsNull(int fd) {
  struct stat file;
  struct stat null;
  return ::fstat(fd, &file) == 0 && ::stat("/dev/null", &null) == 0 && file.st_rdev == null.st_rdev;
}

int CallItself() {
  std::vector<int> closed;
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) closed.push_back(fd);
  }
  const std::string answer = ServeAndCall();
  if (!absl::c_all_of(closed, IsNull)) return 3;
  if (answer == "hello" || absl::StrContains(answer, "ulimit -f")) return 0;
  ::fprintf(stderr, "%s\n", answer.c_str());
  return 2;
}

}  // namespace

std::optional<int> ActIfAsked(int argc, char** argv) {
  std::unique_ptr<Tally> tally;
  absl::string_view address = argc > 1 ? argv[argc - 1] : "";
  if (absl::ConsumePrefix(&address, "--serve=")) {
    DieWithParent();
    if (absl::string_view path = argv[1]; absl::ConsumePrefix(&path, "--tally=")) {
      tally = std::make_unique<Tally>(std::string(path));
    }
    HostService service(tally.get());
    Server server(OptionsOfServer());
    server.Register(service);
    const Deadline patience = Deadline::After(absl::Milliseconds(kPatienceMillis));
    absl::Status listens = server.Listen(address);
    while (absl::IsAlreadyExists(listens) && !patience.HasPassed()) {
      // Nobody tells when an address is free.
      absl::SleepFor(absl::Milliseconds(1));
      listens = server.Listen(address);
    }
    if (!listens.ok()) {
      Say(listens.ToString());
      return 1;
    }
    // Before there are threads: whenever the signal comes, it is not lost.
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &stop, nullptr);
    if (!server.Start().ok()) return 1;
    Say(server.addresses().front());
    int signal = 0;
    ::sigwait(&stop, &signal);
    server.Shutdown(absl::Milliseconds(kPatienceMillis));
    return 0;
  }
  if (absl::ConsumePrefix(&address, "--run=")) return RunAt(address, LostAddress::kListenAgain);
  if (absl::ConsumePrefix(&address, "--run-once=")) return RunAt(address, LostAddress::kEndRun);
  if (address == "--call-itself") return CallItself();
  const bool raw = absl::ConsumePrefix(&address, "--call-raw=");
  if (!raw && !absl::ConsumePrefix(&address, "--call=")) return std::nullopt;
  DieWithParent();
  const std::shared_ptr<Channel> channel = Dial(address, OptionsOfChannel()).value();
  auto chat = Host::Stub(channel).Chat();
  if (!chat.Write(Text()) || !chat.Read().has_value()) return 1;
  const pid_t child = Fork(raw);
  if (child == 0) EndAs(LIVE_ON);
  Say(absl::StrCat(child));
  EndAs(ABORT);
  return 1;
}

ServerOptions OptionsOfServer() { return {.transports = {&TheSubject().transport, 1}}; }
ChannelOptions OptionsOfChannel() { return {.transports = {&TheSubject().transport, 1}}; }

std::string Hello(const std::shared_ptr<Channel>& channel) {
  Text text;
  text.set_text("hello");
  const absl::StatusOr<Text> reply =
      Host::Stub(channel).Echo(text, {.timeout = absl::Milliseconds(kPatienceMillis)});
  return reply.ok() ? reply->text() : reply.status().ToString();
}

}  // namespace nigh::testing
