#include "tests/conformance/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

constexpr int kOutputFd = 3;

}  // namespace

Child::Child(std::vector<std::string> arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) ::abort();
  output_.reset(ends[0]);
  const UniqueFd theirs(ends[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), kOutputFd);
  std::string program = "/proc/self/exe";
  std::string subject = SubjectArgument();
  std::vector<char*> argv = {program.data(), subject.data()};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  if (::posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), environ) != 0) {
    ::abort();
  }
  ::posix_spawn_file_actions_destroy(&actions);
}

Child::~Child() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::string Child::Hear() {
  std::string line;
  for (;;) {
    char byte;
    const ssize_t size = ::read(output_.get(), &byte, 1);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return "";
    if (byte == '\n') return line;
    line += byte;
  }
}

void Child::Signal(int signal) {
  // A pid of -1 would be everybody.
  if (pid_ > 0) ::kill(pid_, signal);
}

void Child::Freeze() {
  Signal(SIGSTOP);
  AwaitStop();
}

// Its threads run on for a moment after the signal; stopped is what the kernel calls so.
void Child::AwaitStop() { ::waitpid(pid_, nullptr, WUNTRACED); }

absl::Status Child::Wait() {
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  if (WIFEXITED(status)) {
    return absl::UnknownError(absl::StrCat("exit code ", WEXITSTATUS(status)));
  }
  return absl::AbortedError(absl::StrCat("ended by signal ", WTERMSIG(status)));
}

void Say(const std::string& line) {
  const std::string text = line + "\n";
  if (::write(kOutputFd, text.data(), text.size()) < 0) ::abort();
}

void DieWithParent() { ::prctl(PR_SET_PDEATHSIG, SIGKILL); }

}  // namespace nigh::testing
