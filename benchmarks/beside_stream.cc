// What short calls wait for beside a thread that streams long messages on the same channel.
//
//   bazel run -c opt //benchmarks:beside_stream
//
// The server is a process of its own. One thread of the client makes 64-byte unary calls, back to
// back: alone, then while another thread of the same channel reads messages of 4 MiB, one after the
// other.

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "benchmarks/echo.nigh.h"
#include "benchmarks/harness/samples.h"
#include "nigh/nigh.h"

ABSL_FLAG(double, seconds, 1, "How long each row is measured.");
ABSL_FLAG(int, rounds, 5, "Rows for each medium; the best tells what the machine can do.");

namespace nigh::benchmarks {
namespace {

constexpr Limits kLimits = {.max_message = size_t{8} << 20};
constexpr size_t kLong = size_t{4} << 20;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "beside_stream: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

class EchoService final : public Echo::Service {
  absl::Status Unary(ServerContext&, const Payload& request, Payload* reply) override {
    reply->set_data(request.data());
    return absl::OkStatus();
  }
  absl::Status Stream(ServerContext&, const StreamRequest& request,
                      ServerWriter<Payload>& replies) override {
    Payload reply;
    reply.set_data(std::string(request.size(), 'x'));
    for (uint64_t i = 0; i < request.messages() && replies.Write(reply); ++i) {
    }
    return absl::OkStatus();
  }
};

// The median of 64-byte calls, in microseconds.
double MedianCall(const Echo::Stub& stub) {
  static Samples samples(size_t{1} << 22);
  samples.Clear();
  Payload request;
  Payload reply;
  request.set_data(std::string(64, 'x'));
  const Deadline end = Deadline::After(absl::Seconds(absl::GetFlag(FLAGS_seconds)));
  while (!end.HasPassed()) {
    ClientContext context;
    const int64_t start = SteadyNanos();
    Check(stub.Unary(context, request, &reply));
    samples.Add(SteadyNanos() - start);
  }
  return samples.Percentile(0.5);
}

void Measure(const std::string& address) {
  const auto channel = Dial(address, {.limits = kLimits});
  Check(channel.status());
  Check((*channel)->WaitForReady(absl::Seconds(10)));
  const Echo::Stub stub(*channel);
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    const double alone = MedianCall(stub);
    std::atomic<bool> over = false;
    std::atomic<int> messages = 0;
    std::thread reader([&] {
      ClientContext context;
      StreamRequest request;
      request.set_messages(UINT64_MAX);
      request.set_size(kLong);
      auto replies = stub.Stream(context, request);
      Payload reply;
      while (!over && replies.Read(&reply)) ++messages;
      context.TryCancel();
      (void)replies.Finish();
    });
    while (messages < 3) std::this_thread::yield();
    messages = 0;
    const double beside = MedianCall(stub);
    const int streamed = messages;
    over = true;
    reader.join();
    std::printf("| %s | %.2f | %.2f | %.1f | %.0f |\n", address.c_str(), alone, beside,
                beside / alone, streamed * 4 / absl::GetFlag(FLAGS_seconds));
  }
}

int Main() {
  std::printf(
      "| address | p50 alone, us | beside | ratio | MiB/s beside |\n|---|---|---|---|---|\n");
  std::fflush(stdout);
  for (const char* scheme : {"shm:", "unix:/tmp/"}) {
    const std::string address = absl::StrCat(scheme, "beside-", ::getpid());
    const pid_t server = ::fork();
    if (server == 0) {
      (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
      EchoService service;
      Server nigh({.limits = kLimits});
      nigh.Register(service);
      Check(nigh.Listen(address));
      Check(nigh.Start());
      for (;;) ::pause();
    }
    for (int i = 0; i < 1000 && !Dial(address).value()->WaitForReady(absl::Seconds(1)).ok(); ++i) {
    }
    std::thread([&] { Measure(address); }).join();
    (void)::kill(server, SIGKILL);
    (void)::waitpid(server, nullptr, 0);
  }
  return 0;
}

}  // namespace
}  // namespace nigh::benchmarks

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return nigh::benchmarks::Main();
}
