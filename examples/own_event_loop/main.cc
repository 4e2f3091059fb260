// A program with a loop of its own: it polls its standard input and nigh's one descriptor. A server
// and its client, both in the only thread there is.
//
//   bazel run //examples/own_event_loop -- local:own_event_loop

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "examples/greeter/hello.nigh.h"
#include "nigh/channel.h"
#include "nigh/event_loop.h"
#include "nigh/server.h"

namespace {

using helloworld::Greeter;
using helloworld::HelloReply;
using helloworld::HelloRequest;

// Unary handlers may be functions, as ever; streams' must be coroutines here.
class GreeterImpl final : public Greeter::CoService {
 public:
  nigh::Task<absl::Status> SayHello(nigh::ServerContext&, const HelloRequest& request,
                                    HelloReply* reply) override {
    reply->set_message(absl::StrCat("hello ", request.name()));
    co_return absl::OkStatus();
  }
};

// Has a greeter say hello to whoever is named on a line of the standard input.
class Program {
 public:
  Program(std::shared_ptr<nigh::EventLoop> loop, const Greeter::Stub& greeter)
      : loop_(std::move(loop)), greeter_(greeter) {}

  absl::Status Run() {
    pollfd fds[] = {{.fd = loop_->fd(), .events = POLLIN, .revents = 0},
                    {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0}};
    while (fds[1].fd >= 0 || calling_) {
      // No further line while a call is out.
      const nfds_t count = calling_ ? 1 : 2;
      if (::poll(fds, count, -1) < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "poll");
      if (fds[0].revents != 0) loop_->Poll();  // runs the handler, and the callback below
      if (count == 2 && fds[1].revents != 0 && !ReadName()) fds[1].fd = -1;
    }
    return status_;
  }

 private:
  bool ReadName() {
    std::string name;
    for (char c; ::read(STDIN_FILENO, &c, 1) == 1 && c != '\n';) name += c;
    if (name.empty()) return false;
    HelloRequest request;
    request.set_name(name);
    context_ = std::make_unique<nigh::ClientContext>();
    calling_ = true;
    greeter_.AsyncSayHello(*context_, request, &reply_, [this](const absl::Status& status) {
      status_.Update(status);
      if (status.ok()) std::cout << reply_.message() << "\n";
      calling_ = false;
    });
    return true;
  }

  const std::shared_ptr<nigh::EventLoop> loop_;
  const Greeter::Stub& greeter_;
  std::unique_ptr<nigh::ClientContext> context_;
  HelloReply reply_;
  bool calling_ = false;
  absl::Status status_;
};

absl::Status Run(const std::string& address) {
  const auto loop = std::make_shared<nigh::EventLoop>();
  GreeterImpl service;
  nigh::Server server({.event_loop = loop});
  server.Register(service);
  if (absl::Status status = server.Listen(address); !status.ok()) return status;
  if (absl::Status status = server.Start(); !status.ok()) return status;

  auto channel = nigh::Dial(address, {.event_loop = loop});
  if (!channel.ok()) return channel.status();
  const Greeter::Stub greeter(*channel);
  absl::Status status = Program(loop, greeter).Run();
  const std::filesystem::directory_iterator threads("/proc/self/task");
  std::cout << "threads: " << std::distance(begin(threads), end(threads)) << "\n";
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = Run(argc > 1 ? argv[1] : "inproc:own_event_loop");
  if (status.ok()) return 0;
  std::cerr << status << "\n";
  return 1;
}
