// What short calls wait for beside a thread that streams long messages.
//
//   bazel run -c opt //benchmarks:beside_stream
//
// The server is a process of its own. One thread of the client makes 64-byte unary calls, back to
// back: alone; then while another thread reads messages of 4 MiB, or sends them, one after the
// other, over a channel of its own, which tells what the machine itself makes of so many busy
// threads; and then over the same channel.

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "benchmarks/echo.nigh.h"
#include "benchmarks/echo_service.h"
#include "benchmarks/harness/check.h"
#include "benchmarks/harness/child_process.h"
#include "benchmarks/harness/samples.h"
#include "nigh/nigh.h"

ABSL_FLAG(double, seconds, 1, "How long each figure is measured.");
ABSL_FLAG(int, rounds, 5, "Rows for each medium; the best tells what the machine can do.");
ABSL_FLAG(uint32_t, size, 4 << 20, "Bytes of a streamed message.");

namespace nigh::benchmarks {
namespace {

constexpr Limits kLimits = {.max_message = size_t{64} << 20};

struct Row {
  double median = 0;    // of a 64-byte call, in microseconds
  double streamed = 0;  // MiB a second
};

// Calls `stub` back to back.
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

// Long messages until `over`, counted.
using LongMessages = void (*)(const Echo::Stub&, std::atomic<bool>& over, std::atomic<int>&);

void ReadLongMessages(const Echo::Stub& stub, std::atomic<bool>& over, std::atomic<int>& messages) {
  ClientContext context;
  StreamRequest request;
  request.set_messages(UINT64_MAX);
  request.set_size(absl::GetFlag(FLAGS_size));
  auto replies = stub.Stream(context, request);
  Payload reply;
  while (!over && replies.Read(&reply)) ++messages;
  context.TryCancel();
  (void)replies.Finish();
}

void SendLongMessages(const Echo::Stub& stub, std::atomic<bool>& over, std::atomic<int>& messages) {
  ClientContext context;
  Payload request;
  request.set_data(std::string(absl::GetFlag(FLAGS_size), 'x'));
  auto requests = stub.Sink(context);
  while (!over && requests.Write(request)) ++messages;
  Check(requests.Finish().status());
}

// The same as MedianCall, beside a thread with long messages over `streaming`.
Row MedianBeside(const Echo::Stub& stub, const Echo::Stub& streaming, LongMessages move) {
  std::atomic<bool> over = false;
  std::atomic<int> messages = 0;
  std::thread mover([&] { move(streaming, over, messages); });
  while (messages < 3) std::this_thread::yield();
  messages = 0;
  Row row{.median = MedianCall(stub)};
  row.streamed = messages * (absl::GetFlag(FLAGS_size) / 1048576.0) / absl::GetFlag(FLAGS_seconds);
  over = true;
  mover.join();
  return row;
}

void Measure(const std::string& address) {
  const auto channel = Dial(address, {.limits = kLimits});
  const auto other = Dial(address, {.limits = kLimits});
  Check(channel.status());
  Check(other.status());
  Check((*channel)->WaitForReady(absl::Seconds(10)));
  const Echo::Stub stub(*channel);
  const Echo::Stub own(*other);
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    const double alone = MedianCall(stub);
    for (const auto& [what, move] :
         {std::pair("reads", &ReadLongMessages), std::pair("sends", &SendLongMessages)}) {
      const Row apart = MedianBeside(own, stub, move);
      const Row beside = MedianBeside(stub, stub, move);
      std::printf("| %s, %s | %.2f | %.2f | %.0f | %.2f | %.0f | %.1f | %.1f |\n", address.c_str(),
                  what, alone, apart.median, apart.streamed, beside.median, beside.streamed,
                  beside.median / alone, beside.median / apart.median);
      std::fflush(stdout);
    }
  }
}

int Main() {
  std::printf(
      "| address | p50 alone, us | beside, own channel | MiB/s | beside, same channel | MiB/s "
      "| same / alone | same / own |\n|---|---|---|---|---|---|---|---|\n");
  std::fflush(stdout);
  for (const char* scheme : {"shm:", "unix:/tmp/"}) {
    const std::string address = absl::StrCat(scheme, "beside-", ::getpid());
    const ChildProcess server([&] {
      EchoService service;
      ServeForEver(service, address, {.limits = kLimits});
    });
    // A thread of its own: all of its channels are gone before the next fork.
    std::thread([&] { Measure(address); }).join();
  }
  return 0;
}

}  // namespace
}  // namespace nigh::benchmarks

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return nigh::benchmarks::Main();
}
