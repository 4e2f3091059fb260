#include "tests/syscalls/trial.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nigh/transport/unique_fd.h"
#include "tests/conformance/child.h"
#include "tests/support/descriptors.h"
#include "tests/syscalls/supervisor.h"

namespace nigh::testing {
namespace {

constexpr int kPatienceMillis = 30000;

Record* MakeRecord() {
  void* const at =
      ::mmap(nullptr, sizeof(Record), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) ::abort();
  return new (at) Record();
}

std::string Contents(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// What each thread of the process is in: the system call's number and arguments.
std::string Threads(pid_t process) {
  std::string text;
  std::error_code gone;
  for (const auto& task :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", process, "/task"), gone)) {
    absl::StrAppend(&text, "  thread ", task.path().filename().string(), ", ",
                    Contents(task.path() / "comm"), ": ", Contents(task.path() / "wchan"), ", ",
                    Contents(task.path() / "syscall"), "\n");
  }
  return text;
}

std::string HowItEnded(int status) {
  if (WIFSIGNALED(status)) {
    return absl::StrCat("the process was killed by ", ::strsignal(WTERMSIG(status)), "\n");
  }
  if (WEXITSTATUS(status) != 0) {
    return absl::StrCat("the process exited with ", WEXITSTATUS(status), "\n");
  }
  return "";
}

}  // namespace

Trial::Trial(const std::function<Findings()>& code) : record_(MakeRecord()) { Fork(code); }

Trial::Trial(const Fault& fault, const std::function<Findings(Supervisor&)>& code)
    : set_(fault.set), record_(MakeRecord()) {
  Fork([&] {
    // Not destroyed: it would leave threads of the process that live on without an answer.
    Supervisor& supervisor = *new Supervisor(fault, *record_);
    Findings findings;
    supervisor.Run([&] { findings = code(supervisor); });
    return findings;
  });
}

Trial::~Trial() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::munmap(record_, sizeof(Record));
}

void Trial::Fork(const std::function<Findings()>& code) {
  std::array<int, 2> ends;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) ::abort();
  output_.reset(ends[0]);
  const UniqueFd input(ends[1]);
  pid_ = ::fork();
  if (pid_ < 0) ::abort();
  if (pid_ > 0) return;
  DieWithParent();
  output_.reset();
  const int before = OpenDescriptors();
  const Findings findings = code();
  const std::string text = absl::StrCat(OpenDescriptors() - before, "\n", findings.failures);
  for (size_t at = 0; at < text.size();) {
    const ssize_t written = ::write(input.get(), text.data() + at, text.size() - at);
    if (written > 0) at += static_cast<size_t>(written);
  }
  ::_exit(0);
}

Findings Trial::Wait() {
  std::string text;
  pollfd output = {.fd = output_.get(), .events = POLLIN, .revents = 0};
  for (;;) {
    const int ready = ::poll(&output, 1, kPatienceMillis);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return {.failures = absl::StrCat("it hangs:\n", Threads(pid_))};
    std::array<char, 4096> bytes;
    const ssize_t size = ::read(output_.get(), bytes.data(), bytes.size());
    if (size <= 0) break;
    text.append(bytes.data(), static_cast<size_t>(size));
  }
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('\n', 1));
  Findings findings = {.failures = parts.second + HowItEnded(status)};
  if (!absl::SimpleAtoi(parts.first, &findings.descriptors) && findings.failures.empty()) {
    findings.failures = "it has said nothing\n";
  }
  return findings;
}

std::string Trial::LastCalls() const {
  if (set_ == nullptr) return "";
  std::string text;
  const int calls = record_->calls.load();
  for (int i = std::max(1, calls - Record::kLast + 1); i <= calls; ++i) {
    const Record::Entry& entry = record_->entries[static_cast<size_t>(i) % Record::kLast];
    const auto match = std::find_if(set_->calls.begin(), set_->calls.end(),
                                    [&](const Match& call) { return call.number == entry.number; });
    absl::StrAppend(&text, "  ", i, ": thread ", entry.thread, ": ",
                    match == set_->calls.end() ? "?" : match->name, "(",
                    static_cast<int64_t>(entry.first_argument), ", ...)",
                    entry.error == 0 ? "" : absl::StrCat(" fails: ", NameOfError(entry.error)),
                    "\n");
  }
  return text;
}

}  // namespace nigh::testing
