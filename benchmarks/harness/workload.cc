#include "benchmarks/harness/workload.h"

#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cmath>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "benchmarks/harness/samples.h"
#include "nigh/deadline.h"

namespace nigh::benchmarks {
namespace {

constexpr size_t kMaxSamples = 1'000'000;  // a thread
constexpr size_t kMostConnections = 32;    // of MeasureConnect
constexpr int kWarmUpCalls = 200;          // at most, a thread; large messages take fewer

int64_t OwnCpuNanos() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

void SleepUntil(int64_t steady_nanos) {
  const timespec until = {.tv_sec = steady_nanos / 1'000'000'000,
                          .tv_nsec = steady_nanos % 1'000'000'000};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

// CPU time of both processes since it was made.
class CpuMeter {
 public:
  explicit CpuMeter(const ServerProcess* server)
      : server_(server),
        client_start_(OwnCpuNanos()),
        server_start_(server == nullptr ? 0 : server->CpuNanos()) {}

  void Report(double calls, Results& results) const {
    const double client = static_cast<double>(OwnCpuNanos() - client_start_);
    const double server =
        server_ == nullptr ? 0 : static_cast<double>(server_->CpuNanos() - server_start_);
    results.emplace_back("client_cpu", client / calls / 1000.0);
    results.emplace_back("server_cpu", server / calls / 1000.0);
  }

 private:
  const ServerProcess* const server_;
  const int64_t client_start_;
  const int64_t server_start_;
};

void WarmUp(Caller& caller, double seconds) {
  const int64_t end = SteadyNanos() + static_cast<int64_t>(seconds * 1e8);
  for (int i = 0; i < kWarmUpCalls || SteadyNanos() < end; ++i) {
    caller.Call();
    if (i > 3 && SteadyNanos() > end + 1'000'000'000) break;
  }
}

// One call after the other, or, with an `interval`, each at its time.
void CallUntil(Caller& caller, int64_t end, int64_t first, int64_t interval, Samples& samples) {
  const int round_trips = caller.round_trips();
  for (int64_t intended = first; intended < end; intended += interval) {
    int64_t start = SteadyNanos();
    if (interval > 0) {
      if (start < intended) SleepUntil(intended);
      start = intended;
    } else if (start >= end) {
      return;
    }
    caller.Call();
    const int64_t done = SteadyNanos();
    samples.Add((done - start) / round_trips);
  }
}

absl::StatusOr<std::vector<std::unique_ptr<Link>>> ConnectMany(Subject& subject,
                                                               const std::string& address,
                                                               int count) {
  std::vector<std::unique_ptr<Link>> links;
  for (int i = 0; i < count; ++i) {
    absl::StatusOr<std::unique_ptr<Link>> link = subject.Connect(address);
    if (!link.ok()) return link.status();
    // Connected is who has been answered.
    (*link)->NewCaller(0)->Call();
    links.push_back(*std::move(link));
  }
  return links;
}

// Of all samples, which are merged into the first.
Results Summary(std::vector<Samples>& samples, int round_trips, double seconds,
                const CpuMeter& meter) {
  double calls = 0;
  for (const Samples& each : samples) calls += static_cast<double>(each.count()) * round_trips;
  for (size_t i = 1; i < samples.size(); ++i) samples[0].Merge(samples[i]);
  Results results = {{"p50", samples[0].Percentile(0.5)},  {"p90", samples[0].Percentile(0.9)},
                     {"p99", samples[0].Percentile(0.99)}, {"p999", samples[0].Percentile(0.999)},
                     {"max", samples[0].Percentile(1)},    {"per_s", calls / seconds}};
  meter.Report(calls, results);
  return results;
}

// A thread that makes calls of `size` bytes, one after the other, from when the first is over.
class Beside {
 public:
  Beside(Link& link, size_t size) {
    std::promise<void> begun;
    thread_ = std::thread([this, &link, size, &begun] {
      const std::unique_ptr<Caller> caller = link.NewCaller(size);
      caller->Call();
      begun.set_value();
      for (; !over_; ++calls_) caller->Call();
    });
    begun.get_future().wait();
  }
  // How many there have been.
  double End() {
    over_ = true;
    thread_.join();
    return static_cast<double>(calls_);
  }

 private:
  std::thread thread_;
  std::atomic<bool> over_ = false;
  std::atomic<int64_t> calls_ = 0;
};

// Calls at once: whoever learns that one is over begins the next in its slot, until time is up.
struct Flight {
  explicit Flight(const Load& load)
      : samples(load.in_flight, Samples(kMaxSamples / load.in_flight)), begun(load.in_flight) {}

  // Returns when the last call is over.
  void Run(int64_t until) {
    end = until;
    flying = static_cast<int>(begun.size());
    for (int slot = 0; slot < static_cast<int>(begun.size()); ++slot) Begin(slot);
    std::unique_lock lock(mutex);
    landed.wait(lock, [this] { return flying == 0; });
  }
  void Begin(int slot) {
    begun[slot] = SteadyNanos();
    caller->Begin(slot);
  }
  void Landed(int slot) {
    const int64_t now = SteadyNanos();
    samples[slot].Add(now - begun[slot]);
    if (now < end) return Begin(slot);
    const std::lock_guard lock(mutex);
    if (--flying == 0) landed.notify_one();
  }

  std::unique_ptr<AsyncCaller> caller;
  std::vector<Samples> samples;  // by slot, as the times are
  std::vector<int64_t> begun;
  int64_t end = 0;
  std::mutex mutex;
  std::condition_variable landed;
  int flying = 0;  // slots that go on
};

}  // namespace

absl::StatusOr<Results> MeasureCalls(Subject& subject, const std::string& address,
                                     const ServerProcess* server, const Load& load) {
  absl::StatusOr<std::vector<std::unique_ptr<Link>>> idle =
      ConnectMany(subject, address, load.idle);
  if (!idle.ok()) return idle.status();
  std::vector<std::unique_ptr<Link>> links;
  for (int i = 0; i < load.channels; ++i) {
    absl::StatusOr<std::unique_ptr<Link>> link = subject.Connect(address);
    if (!link.ok()) return link.status();
    links.push_back(*std::move(link));
  }

  std::vector<Samples> samples(load.threads, Samples(kMaxSamples / load.threads));
  std::atomic<int64_t> begin = 0;
  std::atomic<int> round_trips = 1;
  std::barrier ready(load.threads + 1);
  std::barrier go(load.threads + 1);
  std::vector<std::thread> threads;
  const auto work = [&](int index) {
    // Sleeps until a call is due must not be rounded up.
    ::prctl(PR_SET_TIMERSLACK, 1);
    const std::unique_ptr<Caller> caller = links[index % load.channels]->NewCaller(load.payload);
    WarmUp(*caller, load.seconds);
    round_trips = caller->round_trips();
    ready.arrive_and_wait();
    go.arrive_and_wait();
    const int64_t start = begin.load();
    const auto interval = load.rate > 0 ? static_cast<int64_t>(1e9 * load.threads / load.rate) : 0;
    CallUntil(*caller, start + static_cast<int64_t>(load.seconds * 1e9),
              start + interval * index / load.threads, interval, samples[index]);
  };
  for (int i = 0; i < load.threads; ++i) threads.emplace_back(work, i);
  ready.arrive_and_wait();
  const std::unique_ptr<Beside> beside =
      load.beside == 0 ? nullptr : std::make_unique<Beside>(*links[0], load.beside);
  const CpuMeter meter(server);
  const int64_t start = SteadyNanos();
  begin = start;
  go.arrive_and_wait();
  for (std::thread& thread : threads) thread.join();
  const double seconds = static_cast<double>(SteadyNanos() - start) / 1e9;

  Results results = Summary(samples, round_trips, seconds, meter);
  if (beside != nullptr) results.emplace_back("beside_per_s", beside->End() / seconds);
  return results;
}

absl::StatusOr<Results> MeasureFlight(Subject& subject, const std::string& address,
                                      const ServerProcess* server, const Load& load) {
  absl::StatusOr<std::unique_ptr<Link>> link = subject.Connect(address);
  if (!link.ok()) return link.status();
  Flight flight(load);
  flight.caller = (*link)->NewAsyncCaller(load.payload, load.in_flight,
                                          [&flight](int slot) { flight.Landed(slot); });
  if (flight.caller == nullptr) return absl::UnimplementedError("this medium waits for each call");
  // The first round connects and warms up.
  flight.Run(SteadyNanos() + static_cast<int64_t>(load.seconds * 1e8));
  for (Samples& each : flight.samples) each.Clear();
  const CpuMeter meter(server);
  const int64_t start = SteadyNanos();
  flight.Run(start + static_cast<int64_t>(load.seconds * 1e9));
  const double seconds = static_cast<double>(SteadyNanos() - start) / 1e9;
  return Summary(flight.samples, 1, seconds, meter);
}

absl::StatusOr<Results> MeasureConnect(Subject& subject, const std::string& address,
                                       const ServerProcess* server, const Load& load) {
  std::vector<Samples> samples(1, Samples(kMaxSamples));
  const CpuMeter meter(server);
  const int64_t start = SteadyNanos();
  const int64_t end = start + static_cast<int64_t>(load.seconds * 1e9);
  // What it takes the server to get rid of one is not in the time of the next.
  std::vector<std::unique_ptr<Link>> links;
  for (int64_t begun = start; begun < end; begun = SteadyNanos()) {
    absl::StatusOr<std::unique_ptr<Link>> link = subject.Connect(address);
    if (!link.ok()) return link.status();
    (*link)->NewCaller(load.payload)->Call();
    samples[0].Add(SteadyNanos() - begun);
    links.push_back(*std::move(link));
    if (links.size() < kMostConnections) continue;
    links.clear();
    absl::SleepFor(absl::Milliseconds(20));
  }
  return Summary(samples, 1, static_cast<double>(SteadyNanos() - start) / 1e9, meter);
}

absl::StatusOr<Results> MeasureStream(Subject& subject, const std::string& address,
                                      const ServerProcess* server, const Load& load) {
  absl::StatusOr<std::unique_ptr<Link>> link = subject.Connect(address);
  if (!link.ok()) return link.status();
  // How many messages fill the time is found out first.
  uint64_t messages = 100;
  double seconds = 0;
  absl::Status status;
  const auto read = [&] {
    const int64_t start = SteadyNanos();
    status = (*link)->ReadStream(messages, load.payload);
    seconds = static_cast<double>(SteadyNanos() - start) / 1e9;
  };
  for (read(); status.ok() && seconds < load.seconds / 10; read()) messages *= 4;
  if (!status.ok()) return status;
  messages = std::max<uint64_t>(
      1, static_cast<uint64_t>(static_cast<double>(messages) * load.seconds / seconds));
  const CpuMeter meter(server);
  read();
  if (!status.ok()) return status;
  Results results = {{"per_s", static_cast<double>(messages) / seconds}};
  meter.Report(static_cast<double>(messages), results);
  return results;
}

absl::StatusOr<Results> MeasureMemory(Subject& subject, const std::string& address,
                                      const ServerProcess* server, const Load& load) {
  if (server == nullptr) return absl::UnimplementedError("the server is this process");
  absl::StatusOr<std::unique_ptr<Link>> link = subject.Connect(address);
  if (!link.ok()) return link.status();
  const std::unique_ptr<Caller> small = (*link)->NewCaller(0);
  Results results;
  const auto note = [&](absl::string_view when, int64_t client, int64_t server_bytes) {
    constexpr double kMiB = 1 << 20;
    results.emplace_back(absl::StrCat("client_", when), static_cast<double>(client) / kMiB);
    results.emplace_back(absl::StrCat("server_", when), static_cast<double>(server_bytes) / kMiB);
  };
  small->Call();
  note("before", ResidentBytes("self"), server->ResidentBytes());
  int64_t client = 0;
  int64_t served = 0;
  {
    const std::unique_ptr<Caller> large = (*link)->NewCaller(load.payload);
    const int64_t end = SteadyNanos() + static_cast<int64_t>(load.seconds * 1e9);
    do {
      large->Call();
      client = std::max(client, ResidentBytes("self"));
      served = std::max(served, server->ResidentBytes());
    } while (SteadyNanos() < end);
  }
  note("during", client, served);
  absl::SleepFor(absl::Seconds(3));
  small->Call();
  note("after", ResidentBytes("self"), server->ResidentBytes());
  return results;
}

absl::StatusOr<Results> MeasureIdle(Subject& subject, const std::string& address,
                                    const ServerProcess* server, const Load& load) {
  if (server == nullptr) return absl::UnimplementedError("the server is this process");
  absl::StatusOr<std::vector<std::unique_ptr<Link>>> idle =
      ConnectMany(subject, address, load.idle);
  if (!idle.ok()) return idle.status();
  // What the last calls stirred up settles first.
  absl::SleepFor(absl::Milliseconds(500));
  const int64_t before = server->VoluntarySwitches();
  const int64_t cpu_before = server->CpuNanos();
  absl::SleepFor(absl::Seconds(load.seconds));
  const int64_t woken = server->VoluntarySwitches() - before;
  const int64_t cpu = server->CpuNanos() - cpu_before;
  return Results{{"wakeups_per_s", static_cast<double>(woken) / load.seconds},
                 {"server_cpu_us_per_s", static_cast<double>(cpu) / 1000.0 / load.seconds}};
}

}  // namespace nigh::benchmarks
