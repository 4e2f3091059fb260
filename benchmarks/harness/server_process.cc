#include "benchmarks/harness/server_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace nigh::benchmarks {

absl::StatusOr<std::unique_ptr<ServerProcess>> ServerProcess::Start(
    const std::vector<std::string>& arguments) {
  int input[2];
  int output[2];
  if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0) {
    return absl::ErrnoToStatus(errno, "pipe");
  }
  std::unique_ptr<ServerProcess> server(new ServerProcess);
  const UniqueFd child_input(input[0]);
  server->input_ = UniqueFd(input[1]);
  const UniqueFd output_end(output[0]);
  UniqueFd child_output(output[1]);
  std::vector<char*> argv = {const_cast<char*>("server")};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, child_input.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, child_output.get(), STDOUT_FILENO);
  const int error =
      ::posix_spawn(&server->pid_, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return absl::ErrnoToStatus(error, "posix_spawn of the server");
  child_output.reset();
  std::string line;
  for (char letter = 0; ::read(output_end.get(), &letter, 1) == 1 && letter != '\n';) {
    line.push_back(letter);
  }
  absl::string_view address = line;
  if (!absl::ConsumePrefix(&address, "ready ")) {
    return absl::UnavailableError(
        absl::StrCat("the server has not come up; it said \"", line, "\""));
  }
  server->address_ = std::string(address);
  return server;
}

int64_t ResidentBytes(absl::string_view process) {
  int64_t total = 0;
  int64_t resident = 0;
  std::ifstream(absl::StrCat("/proc/", process, "/statm")) >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

ServerProcess::~ServerProcess() {
  input_.reset();
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

int64_t ServerProcess::CpuNanos() const {
  clockid_t clock;
  timespec time{};
  if (::clock_getcpuclockid(pid_, &clock) != 0) return 0;
  ::clock_gettime(clock, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

int64_t ServerProcess::ResidentBytes() const {
  return benchmarks::ResidentBytes(absl::StrCat(pid_));
}

int64_t ServerProcess::VoluntarySwitches() const {
  int64_t sum = 0;
  std::error_code ignored;
  for (const auto& task :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid_, "/task"), ignored)) {
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      absl::string_view text = line;
      int64_t count = 0;
      if (absl::ConsumePrefix(&text, "voluntary_ctxt_switches:") &&
          absl::SimpleAtoi(text, &count)) {
        sum += count;
      }
    }
  }
  return sum;
}

}  // namespace nigh::benchmarks
