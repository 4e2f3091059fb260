#include "tests/contract/puppet.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "tests/contract/frames.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

constexpr char kPuppetArgument[] = "--act-as-puppet";
constexpr int kControlFd = 3;

std::string Report(const absl::Status& status) { return status.ok() ? "ok" : status.ToString(); }

// The strings: executes commands on the puppet's side.
class Strings {
 public:
  std::string Execute(absl::string_view command) {
    const std::vector<std::string> words = absl::StrSplit(command, ' ');
    const auto number = [&](size_t index) {
      uint32_t value = 0;
      if (index >= words.size() || !absl::SimpleAtoi(words[index], &value)) return uint32_t{0};
      return value;
    };
    const std::string& verb = words[0];
    if (verb == "listen") return Listen(words[1]);
    if (verb == "dial") return Keep(TheSubject().transport.dial(MakeAddress(words[1])));
    if (verb == "accept") return Keep(Accept(*listener_));
    if (verb == "send") return SendPattern(number(1), number(2));
    if (verb == "queue") {
      return Report(Queue(*connection_, MessageHeader(number(1)), Pattern(number(1), number(2))));
    }
    if (verb == "receive") return ReceiveMany(number(1));
    if (verb == "echo") return Echo();
    if (verb == "flood") return Flood(number(1));
    if (verb == "sink") return Sink();
    if (verb == "close") {
      connection_->Close();
      return "ok";
    }
    return absl::StrCat("unknown command ", command);
  }

 private:
  std::string Listen(absl::string_view address) {
    auto listener = TheSubject().transport.listen(MakeAddress(address));
    if (!listener.ok()) return Report(listener.status());
    listener_ = *std::move(listener);
    return absl::StrCat("ok ", listener_->address().ToString());
  }

  std::string Keep(absl::StatusOr<std::unique_ptr<Connection>> connection) {
    if (!connection.ok()) return Report(connection.status());
    connection_ = *std::move(connection);
    return "ok";
  }

  std::string SendPattern(uint32_t call, size_t size) {
    return Report(Send(*connection_, call, Pattern(call, size)));
  }

  std::string ReceiveMany(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      absl::StatusOr<OwnedFrame> frame = Receive(*connection_);
      if (!frame.ok()) return Report(frame.status());
      if (frame->payload != Pattern(frame->header.call, frame->payload.size())) {
        return absl::StrCat("frame ", i, " has another pattern");
      }
    }
    return "ok";
  }

  std::string Echo() {
    for (;;) {
      absl::StatusOr<OwnedFrame> frame = Receive(*connection_);
      if (!frame.ok()) return Report(frame.status());
      if (absl::Status status = Send(*connection_, frame->header, frame->payload); !status.ok()) {
        return Report(status);
      }
    }
  }

  std::string Flood(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      const std::string payload = Pattern(i, FloodSize(i, connection_->max_payload()));
      absl::Status status = Queue(*connection_, MessageHeader(i), payload);
      if (!status.ok()) return Report(status);
    }
    return Report(FlushAll(*connection_));
  }

  std::string Sink() {
    for (uint32_t i = 0;; ++i) {
      absl::StatusOr<OwnedFrame> frame = Receive(*connection_);
      if (absl::IsUnavailable(frame.status())) return absl::StrCat("ok ", i);
      if (!frame.ok()) return Report(frame.status());
      if (frame->header.call != i ||
          frame->payload != Pattern(i, FloodSize(i, connection_->max_payload()))) {
        return absl::StrCat("frame ", i, " is not as it was sent");
      }
    }
  }

  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connection> connection_;
};

void Act(UniqueFd control) {
  Strings strings;
  std::string command(4096, '\0');
  for (;;) {
    const ssize_t size = ::read(control.get(), command.data(), command.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return;
    const std::string answer = strings.Execute(absl::string_view(command.data(), size));
    if (::send(control.get(), answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
  }
}

pid_t Spawn(const UniqueFd& control) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, control.get(), kControlFd);
  std::vector<std::string> arguments = {"puppet", SubjectArgument(), kPuppetArgument};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t process = -1;
  if (const int error =
          ::posix_spawn(&process, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
      error != 0) {
    ::fprintf(stderr, "posix_spawn: error %d\n", error);
    ::abort();
  }
  ::posix_spawn_file_actions_destroy(&actions);
  return process;
}

}  // namespace

std::unique_ptr<Puppet> Puppet::Start(Placement placement) {
  int control[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0) ::abort();
  auto puppet = std::unique_ptr<Puppet>(new Puppet(UniqueFd(control[0])));
  UniqueFd theirs(control[1]);
  if (placement == Placement::kThread) {
    puppet->thread_ = std::thread(&Act, std::move(theirs));
  } else {
    puppet->process_ = Spawn(theirs);
  }
  return puppet;
}

Puppet::~Puppet() {
  control_.reset();
  if (thread_.joinable()) thread_.join();
  if (process_ > 0) ::waitpid(process_, nullptr, 0);
}

void Puppet::Tell(absl::string_view command) {
  if (::send(control_.get(), command.data(), command.size(), MSG_NOSIGNAL) < 0) ::abort();
}

std::string Puppet::Answer() {
  std::string answer(4096, '\0');
  ssize_t size;
  do {
    size = ::read(control_.get(), answer.data(), answer.size());
  } while (size < 0 && errno == EINTR);
  if (size <= 0) return "gone";
  answer.resize(size);
  return answer;
}

void Puppet::Kill() {
  ::kill(process_, SIGKILL);
  ::waitpid(std::exchange(process_, -1), nullptr, 0);
}

size_t FloodSize(uint32_t index, size_t max_payload) {
  if (TheSubject().slow) return index % 50;
  if (index % 97 == 0) return max_payload;
  return index * 7919 % 2000 % (max_payload + 1);
}

void ActIfPuppet(int argc, char** argv) {
  if (argc != 2 || absl::string_view(argv[1]) != kPuppetArgument) return;
  Act(UniqueFd(kControlFd));
  ::_exit(0);
}

}  // namespace nigh::testing
