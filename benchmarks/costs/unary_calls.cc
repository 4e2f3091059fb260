// A server and a client that make a given number of unary calls and nothing else, for tools that
// count what a program does: run it twice with different numbers, subtract, divide.
//
//   unary_calls server ADDRESS             serves until its standard input ends
//   unary_calls client ADDRESS CALLS       makes CALLS calls of 64 bytes, messages reused
//   unary_calls both ADDRESS CALLS         both in one process

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "benchmarks/echo.nigh.h"
#include "benchmarks/echo_service.h"
#include "nigh/mutex.h"
#include "nigh/nigh.h"

namespace nigh::benchmarks {
namespace {

// Tools that count run one thread at a time: while one spins, the other cannot answer.
constexpr WaitPolicy kNoSpins = {.spins = 0};
// Calls that are not counted: everything that is set up once has been after them.
constexpr int64_t kWarmUp = 100;
// Calls between two looks at the number of locks.
constexpr int64_t kBatch = 100;

// Prints how many locks a call takes, both sides together, if the program has been built to count
// them. `least`: of all batches of calls, for whoever falls asleep between two calls takes more.
void ReportLocks(const std::string& address, int64_t least) {
#if defined(NIGH_COUNT_LOCKS)
  const absl::string_view scheme = absl::string_view(address).substr(0, address.find(':'));
  std::printf("cost locks_%s %.3f\n", std::string(scheme).c_str(),
              static_cast<double>(least) / kBatch);
#else
  (void)address, (void)least;
#endif
}

int64_t LocksTaken() {
#if defined(NIGH_COUNT_LOCKS)
  return locks_taken;
#else
  return 0;
#endif
}

absl::Status Call(const std::string& address, int64_t calls) {
  absl::StatusOr<std::shared_ptr<Channel>> channel = Dial(address, {.wait = kNoSpins});
  if (!channel.ok()) return channel.status();
  const Echo::Stub stub(*channel);
  Payload request;
  Payload reply;
  request.set_data(std::string(64, 'x'));
  int64_t least = std::numeric_limits<int64_t>::max();
  int64_t before = 0;
  for (int64_t i = -kWarmUp; i < calls; ++i) {
    if (i >= 0 && i % kBatch == 0) {
      const int64_t now = LocksTaken();
      if (i > 0) least = std::min(least, now - before);
      before = now;
    }
    ClientContext context;
    context.set_wait_for_ready(true);
    if (absl::Status status = stub.Unary(context, request, &reply); !status.ok()) return status;
  }
  ReportLocks(address, least);
  return absl::OkStatus();
}

absl::Status Run(const std::string& role, const std::string& address, int64_t calls) {
  if (role == "client") return Call(address, calls);
  EchoService echo;
  Server server({.wait = kNoSpins, .pollers = 1});
  server.Register(echo);
  if (absl::Status status = server.Listen(address); !status.ok()) return status;
  if (absl::Status status = server.Start(); !status.ok()) return status;
  absl::Status status;
  if (role == "both") {
    status = Call(address, calls);
  } else {
    std::cout << "ready" << std::endl;
    char ignored[64];
    while (::read(STDIN_FILENO, ignored, sizeof(ignored)) > 0) {
    }
  }
  server.Shutdown(absl::ZeroDuration());
  return status;
}

}  // namespace
}  // namespace nigh::benchmarks

int main(int argc, char** argv) {
  int64_t calls = 0;
  if (argc < 3 || (argc > 3 && !absl::SimpleAtoi(argv[3], &calls))) {
    std::cerr << "usage: unary_calls server|client|both ADDRESS [CALLS]\n";
    return 2;
  }
  const absl::Status status = nigh::benchmarks::Run(argv[1], argv[2], calls);
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
