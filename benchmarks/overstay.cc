// How long a handler that overstays keeps others waiting, through a whole server.
//
//   bazel run -c opt //benchmarks:overstay
//
// The server is a process of its own. One client calls a method that has always been quick, until a
// call of it sleeps, or computes, for 30 ms. Another client calls a quick method all the time: back
// to back, or once a millisecond. How long did its slowest call take, meanwhile? Once with the CPUs
// left to the three, and once beside a process for each CPU that computes. "none" is the same with
// no handler that overstays: what the machine itself does to the slowest call.

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "benchmarks/echo.nigh.h"
#include "benchmarks/echo_service.h"
#include "benchmarks/harness/check.h"
#include "benchmarks/harness/child_process.h"
#include "nigh/nigh.h"

ABSL_FLAG(int, rounds, 30, "Handlers that overstay, for each row.");
ABSL_FLAG(std::string, scheme, "shm", "The transport: shm, unix, fifo, mqueue, sysvmq.");

namespace nigh::benchmarks {
namespace {

constexpr int64_t kOverstayNanos = 30'000'000;

// What a request asks its handler to do before it answers.
constexpr absl::string_view kSleep = "sleep";
constexpr absl::string_view kCompute = "compute";

class Overstayer final : public Echo::Service {
  absl::Status Unary(ServerContext&, const Payload& request, Payload* reply) override {
    if (request.data() == kSleep) ::usleep(kOverstayNanos / 1000);
    if (request.data() == kCompute) {
      for (const int64_t end = SteadyNanos() + kOverstayNanos; SteadyNanos() < end;) {
      }
    }
    reply->set_data(request.data());
    return absl::OkStatus();
  }
};

absl::Status Call(Echo::Stub& stub, const Payload& request) {
  ClientContext context;
  Payload reply;
  return stub.Unary(context, request, &reply);
}

// Calls until `over`. Returns the longest call, in nanoseconds.
int64_t SlowestCall(Echo::Stub& stub, int64_t every_nanos, const std::atomic<bool>& over) {
  const Payload request;
  int64_t slowest = 0;
  for (int64_t due = SteadyNanos(); !over; due = std::max(due + every_nanos, SteadyNanos())) {
    if (const int64_t pause = due - SteadyNanos(); pause > 0) {
      ::usleep(static_cast<useconds_t>(pause / 1000));
    }
    const int64_t start = SteadyNanos();
    Check(Call(stub, request));
    slowest = std::max(slowest, SteadyNanos() - start);
  }
  return slowest;
}

void PrintRow(const std::string& address, int64_t every_nanos, absl::string_view overstay,
              bool hogs) {
  const auto channel = Dial(address);
  const auto other = Dial(address);
  Check(channel.status());
  Check(other.status());
  Echo::Stub offender(*channel);
  Echo::Stub stub(*other);
  std::vector<int64_t> waits;
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    std::atomic<bool> over = false;
    int64_t slowest = 0;
    Payload request;
    // Both clients' method is known to be quick again.
    for (int i = 0; i < 1000; ++i) Check(Call(offender, request));
    std::thread caller([&] { slowest = SlowestCall(stub, every_nanos, over); });
    ::usleep(10'000);
    if (overstay.empty()) {
      ::usleep(kOverstayNanos / 1000);
    } else {
      request.set_data(std::string(overstay));
      Check(Call(offender, request));
    }
    over = true;
    caller.join();
    waits.push_back(slowest);
  }
  std::sort(waits.begin(), waits.end());
  std::printf("| %s | %s | %s | %.2f | %.2f |\n", every_nanos == 0 ? "back to back" : "each ms",
              overstay.empty() ? "none" : std::string(overstay).c_str(), hogs ? "yes" : "no",
              waits[waits.size() / 2] / 1e6, waits.back() / 1e6);
}

int Main() {
  const std::string address =
      absl::StrCat(absl::GetFlag(FLAGS_scheme), ":",
                   absl::GetFlag(FLAGS_scheme) == "shm" ? "" : "/tmp/", "overstay-", ::getpid());
  const ChildProcess server([&] {
    Overstayer service;
    ServeForEver(service, address);
  });
  const auto channel = Dial(address);
  Check(channel.status());
  Check((*channel)->WaitForReady(absl::Seconds(10)));
  std::printf("%s: the slowest call of another client, in ms\n", address.c_str());
  std::printf(
      "| it calls | a handler overstays | CPUs busy | median | worst |\n|---|---|---|---|---|\n");
  for (const bool hogs : {false, true}) {
    std::deque<ChildProcess> busy;
    for (unsigned i = 0; hogs && i < std::thread::hardware_concurrency(); ++i) {
      busy.emplace_back([] {
        for (volatile bool ever = true; ever;) {
        }
      });
    }
    for (const int64_t every : {int64_t{0}, int64_t{1'000'000}}) {
      for (const absl::string_view overstay : {absl::string_view(), kSleep, kCompute}) {
        PrintRow(address, every, overstay, hogs);
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace nigh::benchmarks

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return nigh::benchmarks::Main();
}
