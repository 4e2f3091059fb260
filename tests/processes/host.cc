#include "tests/processes/host.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nigh/transport/unique_fd.h"
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

absl::Status HostService::Chat(ServerContext&, ServerStream<Text, Text>& stream) {
  while (std::optional<Text> text = stream.Read()) {
    if (!stream.Write(*text)) break;
  }
  return absl::OkStatus();
}

absl::Status HostService::Fork(ServerContext&, const ForkRequest& request, ForkReply* reply) {
  const pid_t child = ::fork();
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
