// What a client's calls take beside another client of the same server that does its worst.
//
//   bazel run -c opt //benchmarks:beside_attacker
//
// The server lets everybody in. As root, the three are processes of three users; otherwise of one.
// Placements: where the attacker has a CPU of its own, client and server share the other. Where it
// takes one of two, client and server have a CPU each, and the attacker that of the one or of the
// other; or the kernel places all of them. There its cost is compared with that of a process that
// has nothing to do with the server, about which no server could do anything: one that just
// computes, or one that makes system calls all the time, whichever costs more.
//
// Rounds are interleaved. A ratio is the median of the rounds' ratios.

#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <new>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "benchmarks/attacks.h"
#include "benchmarks/echo.nigh.h"
#include "benchmarks/echo_service.h"
#include "benchmarks/harness/check.h"
#include "benchmarks/harness/child_process.h"
#include "benchmarks/harness/samples.h"
#include "nigh/nigh.h"
#include "nigh/transport/address.h"

ABSL_FLAG(int, rounds, 5, "Rounds; a number is their median.");
ABSL_FLAG(double, seconds, 0.3, "Of each measurement in each round.");
ABSL_FLAG(std::string, media, "shm,unix", "Over which media.");
ABSL_FLAG(std::string, only, "", "Placements and attacks that contain this text.");
ABSL_FLAG(bool, own_user, false, "The client is of the server's own user.");

namespace nigh::benchmarks {
namespace {

constexpr uid_t kClientUser = 54321;
constexpr uid_t kAttackingUser = 54322;

struct Placement {
  const char* name;
  // CPUs; -1: any.
  int client;
  int server;
  int attacker;
  bool own_cpu;  // the attacker's
};
constexpr Placement kPlacements[] = {
    {"own CPU", 0, 0, 1, true},
    {"the server's", 0, 1, 1, false},
    {"the client's", 0, 1, 0, false},
    {"free", -1, -1, -1, false},
};
constexpr const char* kAlone = "alone";
constexpr const char* kBusy[] = {"just computes", "talks to itself"};

// What processes tell each other.
struct Board {
  std::atomic<uint64_t> attacks = 0;
  double p50 = 0;  // in microseconds
  double p99 = 0;
};

Board& SharedBoard() {
  void* const page =
      ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) Check(absl::ErrnoToStatus(errno, "mmap"));
  return *new (page) Board;
}

void PinTo(int cpu) {
  if (cpu < 0) return;
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  if (::sched_setaffinity(0, sizeof(cpus), &cpus) != 0) {
    Check(absl::ErrnoToStatus(errno, absl::StrCat("sched_setaffinity to CPU ", cpu)));
  }
}

void Become(uid_t user) {
  if (::geteuid() != 0) return;
  if (::setgroups(0, nullptr) != 0 || ::setresgid(user, user, user) != 0 ||
      ::setresuid(user, user, user) != 0) {
    Check(absl::ErrnoToStatus(errno, "setresuid"));
  }
}

// Calls back to back, for a while.
void MeasureCalls(const std::string& address, Board& board) {
  Samples samples(size_t{1} << 20);
  const auto channel = Dial(address, {.expect_server = "*"});
  Check(channel.status());
  const Echo::Stub stub(*channel);
  Payload request;
  Payload reply;
  request.set_data(std::string(64, 'x'));
  const auto call_for = [&](absl::Duration time) {
    for (const Deadline end = Deadline::After(time); !end.HasPassed();) {
      ClientContext context;
      const int64_t start = SteadyNanos();
      Check(stub.Unary(context, request, &reply));
      samples.Add(SteadyNanos() - start);
    }
  };
  // Both ends learn how they have to wait.
  call_for(absl::Milliseconds(50));
  samples.Clear();
  call_for(absl::Seconds(absl::GetFlag(FLAGS_seconds)));
  board.p50 = samples.Percentile(0.5);
  board.p99 = samples.Percentile(0.99);
}

struct Row {
  std::vector<double> p50;
  std::vector<double> p99;
  std::vector<double> attacks;  // a second
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

// `below` has one row, or several, of which the slowest counts in each round.
double MedianRatio(const Row& above, absl::Span<const Row* const> below) {
  std::vector<double> ratios;
  for (size_t i = 0; i < above.p50.size(); ++i) {
    double slowest = 0;
    for (const Row* const row : below) {
      if (i < row->p50.size()) slowest = std::max(slowest, row->p50[i]);
    }
    if (slowest > 0) ratios.push_back(above.p50[i] / slowest);
  }
  return Median(ratios);
}

bool IsBusy(absl::string_view name) { return absl::c_linear_search(kBusy, name); }

void MeasureOnce(const std::string& address, const Placement& placement, const Attack* attack,
                 Board& board, Row& row) {
  board.attacks = 0;
  std::optional<ChildProcess> attacker;
  if (attack != nullptr) {
    attacker.emplace([&] {
      PinTo(placement.attacker);
      Become(kAttackingUser);
      // Who becomes another user would outlive its parent.
      (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const Target target{*Address::Parse(address), board.attacks};
      attack->run(target);
      std::fprintf(stderr, "%s: \"%s\" could not go on\n", address.c_str(), attack->name);
    });
    for (const Deadline late = Deadline::After(absl::Seconds(10)); board.attacks == 0;) {
      if (late.HasPassed()) Check(absl::DeadlineExceededError(attack->name));
      ::usleep(1000);
    }
  }
  const uint64_t before = board.attacks;
  const int64_t start = SteadyNanos();
  const pid_t client = ::fork();
  if (client == 0) {
    PinTo(placement.client);
    if (!absl::GetFlag(FLAGS_own_user)) Become(kClientUser);
    MeasureCalls(address, board);
    std::_Exit(0);
  }
  int status = 0;
  (void)::waitpid(client, &status, 0);
  if (status != 0) std::_Exit(1);  // it has said why
  row.p50.push_back(board.p50);
  row.p99.push_back(board.p99);
  row.attacks.push_back((board.attacks - before) * 1e9 / (SteadyNanos() - start));
}

void Print(const std::string& scheme, std::map<std::pair<std::string, std::string>, Row>& rows,
           const std::vector<std::string>& names) {
  for (const Placement& placement : kPlacements) {
    const auto row_of = [&](const std::string& name) -> Row& {
      return rows[{placement.name, name}];
    };
    const Row& alone = row_of(kAlone);
    const Row* const busy[] = {&row_of(kBusy[0]), &row_of(kBusy[1])};
    if (alone.p50.empty()) continue;
    std::printf(
        "\n%s, the attacker has %s%s\n\n| beside one that | p50, us | / alone | / busy | p99, us "
        "| its rounds a second | |\n|---|---|---|---|---|---|---|\n",
        scheme.c_str(), placement.name, placement.own_cpu || placement.server < 0 ? "" : " CPU");
    for (const std::string& name : names) {
      const Row& row = row_of(name);
      if (row.p50.empty()) continue;
      const double to_alone = MedianRatio(row, {&alone});
      const double to_busy = MedianRatio(row, busy);
      const bool missed = placement.own_cpu ? to_alone > 1.3 : to_busy > 1.1;
      std::printf("| %s | %.2f | %.2f | %.2f | %.1f | %.0f | %s |\n", name.c_str(), Median(row.p50),
                  to_alone, to_busy, Median(row.p99), Median(row.attacks), missed ? "missed" : "");
    }
  }
  std::fflush(stdout);
}

void Measure(const std::string& scheme, Board& board) {
  const absl::Span<const Attack> attacks = AttacksOver(scheme);
  std::vector<std::string> names = {kAlone};
  for (const Attack& attack : attacks) names.push_back(attack.name);
  std::deque<ChildProcess> servers;
  std::vector<std::string> addresses;
  for (const Placement& placement : kPlacements) {
    const std::string path = absl::StrCat("/tmp/beside-", ::getpid(), "-", servers.size());
    addresses.push_back(absl::StrCat(scheme, ":", path));
    servers.emplace_back([&] {
      PinTo(placement.server);
      EchoService service;
      ServeForEver(service, absl::StrCat(addresses.back(), "?mode=0666"),
                   {.admit = {.users = {"*"}}});
    });
    while (::access(path.c_str(), F_OK) != 0) ::usleep(1000);
  }
  std::map<std::pair<std::string, std::string>, Row> rows;
  const std::string only = absl::GetFlag(FLAGS_only);
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    for (size_t i = 0; i < addresses.size(); ++i) {
      const Placement& placement = kPlacements[i];
      const auto measure = [&](const Attack* attack, const char* name) {
        MeasureOnce(addresses[i], placement, attack, board, rows[{placement.name, name}]);
      };
      const bool all = absl::StrContains(placement.name, only);
      measure(nullptr, kAlone);
      for (const Attack& attack : attacks) {
        if (!all && !IsBusy(attack.name) && !absl::StrContains(attack.name, only)) {
          continue;
        }
        measure(&attack, attack.name);
      }
    }
  }
  Print(scheme, rows, names);
  servers.clear();
  for (const std::string& address : addresses) {
    for (const char* suffix : {"", ".lock"}) {
      (void)::unlink(absl::StrCat(address.substr(scheme.size() + 1), suffix).c_str());
    }
  }
}

int Main() {
  Board& board = SharedBoard();
  for (const char* scheme : {"shm", "unix"}) {
    if (absl::StrContains(absl::GetFlag(FLAGS_media), scheme)) Measure(scheme, board);
  }
  return 0;
}

}  // namespace
}  // namespace nigh::benchmarks

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return nigh::benchmarks::Main();
}
