#include "benchmarks/harness/main.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "benchmarks/harness/placement.h"
#include "benchmarks/harness/server_process.h"
#include "benchmarks/harness/subject.h"
#include "benchmarks/harness/workload.h"

ABSL_FLAG(std::string, address, "", "What to measure; {pid} stands for this process's id.");
ABSL_FLAG(std::string, workload, "calls", "calls, flight, connect, stream, memory, or idle.");
ABSL_FLAG(std::string, placement, "free", "split, stacked, or free.");
ABSL_FLAG(size_t, payload, 64, "Bytes of a message.");
ABSL_FLAG(double, seconds, 1, "How long to measure.");
ABSL_FLAG(int, threads, 1, "Threads that call.");
ABSL_FLAG(int, channels, 1, "Connections that they share.");
ABSL_FLAG(int, in_flight, 1, "Calls at once of one thread, with --workload=flight.");
ABSL_FLAG(int, idle, 0, "Further connections on which nothing happens.");
ABSL_FLAG(size_t, beside, 0,
          "Bytes of the calls that another thread makes on the first channel; 0: none.");
ABSL_FLAG(double, rate, 0, "Calls a second, whatever the answers take; 0: as fast as answered.");
ABSL_FLAG(bool, serve, false, "Be the server; done by the program itself.");

namespace nigh::benchmarks {
namespace {

// Threads in this process that serve until the end of the program.
absl::StatusOr<std::string> ServeHere(std::unique_ptr<Subject> (*make_subject)(),
                                      const std::string& address, Placement placement) {
  std::promise<absl::StatusOr<std::string>> serving;
  std::thread([&serving, make_subject, address, placement] {
    absl::Status placed = Place(placement, Role::kServer);
    if (!placed.ok()) return serving.set_value(placed);
    const std::unique_ptr<Subject> subject = make_subject();
    const absl::Status served = subject->Serve(address, [&](const std::string& bound) {
      serving.set_value(bound);
      for (;;) ::pause();
    });
    serving.set_value(served);
  }).detach();
  return serving.get_future().get();
}

std::string Expand(std::string address) {
  const std::string placeholder = "{pid}";
  const size_t at = address.find(placeholder);
  if (at != std::string::npos) {
    address.replace(at, placeholder.size(), std::to_string(::getpid()));
  }
  return address;
}

absl::StatusOr<Results> Measure(std::unique_ptr<Subject> (*make_subject)(),
                                std::vector<std::string> server_arguments, Placement placement) {
  const std::unique_ptr<Subject> subject = make_subject();
  absl::StatusOr<std::string> address = subject->Prepare(Expand(absl::GetFlag(FLAGS_address)));
  if (!address.ok()) return address.status();
  std::unique_ptr<ServerProcess> server;
  if (subject->InProcess(*address)) {
    address = ServeHere(make_subject, *address, placement);
    if (!address.ok()) return address.status();
  } else {
    server_arguments.emplace_back("--serve");
    server_arguments.push_back(absl::StrCat("--address=", *address));
    absl::StatusOr<std::unique_ptr<ServerProcess>> started = ServerProcess::Start(server_arguments);
    if (!started.ok()) return started.status();
    server = *std::move(started);
    address = server->address();
  }
  if (absl::Status placed = Place(placement, Role::kClient); !placed.ok()) return placed;
  const Load load = {.payload = absl::GetFlag(FLAGS_payload),
                     .seconds = absl::GetFlag(FLAGS_seconds),
                     .threads = absl::GetFlag(FLAGS_threads),
                     .channels = absl::GetFlag(FLAGS_channels),
                     .idle = absl::GetFlag(FLAGS_idle),
                     .in_flight = absl::GetFlag(FLAGS_in_flight),
                     .beside = absl::GetFlag(FLAGS_beside),
                     .rate = absl::GetFlag(FLAGS_rate)};
  const std::string workload = absl::GetFlag(FLAGS_workload);
  if (workload == "calls") return MeasureCalls(*subject, *address, server.get(), load);
  if (workload == "flight") return MeasureFlight(*subject, *address, server.get(), load);
  if (workload == "connect") return MeasureConnect(*subject, *address, server.get(), load);
  if (workload == "stream") return MeasureStream(*subject, *address, server.get(), load);
  if (workload == "memory") return MeasureMemory(*subject, *address, server.get(), load);
  if (workload == "idle") return MeasureIdle(*subject, *address, server.get(), load);
  return absl::InvalidArgumentError(absl::StrCat(
      "--workload=", workload, ": not calls, flight, connect, stream, memory or idle"));
}

}  // namespace

int RunBenchmark(int argc, char** argv, std::unique_ptr<Subject> (*make_subject)()) {
  absl::SetProgramUsageMessage("Measures echoes to a second process, which it starts itself.");
  // The server takes all flags of the client.
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  absl::ParseCommandLine(argc, argv);
  const absl::StatusOr<Placement> placement = ParsePlacement(absl::GetFlag(FLAGS_placement));
  Check(placement.status());
  if (absl::GetFlag(FLAGS_serve)) {
    Check(Place(*placement, Role::kServer));
    Check(make_subject()->Serve(absl::GetFlag(FLAGS_address), [](const std::string& address) {
      std::cout << "ready " << address << std::endl;
      // Standard input ends when the client does, however that comes about.
      char ignored[64];
      while (::read(STDIN_FILENO, ignored, sizeof(ignored)) > 0) {
      }
    }));
    return 0;
  }
  const absl::StatusOr<Results> results = Measure(make_subject, arguments, *placement);
  Check(results.status());
  std::string line;
  for (const auto& [name, value] : *results) {
    absl::StrAppendFormat(&line, "%s\"%s\": %.3f", line.empty() ? "{" : ", ", name, value);
  }
  std::cout << line << "}" << std::endl;
  // Threads that serve in this process have no end of their own.
  std::_Exit(0);
}

}  // namespace nigh::benchmarks
