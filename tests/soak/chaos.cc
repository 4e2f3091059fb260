// Kills and stops processes at random moments, while calls of every kind are under way over one
// medium. This process is a client of a server that is killed, stopped and restarted, and a server
// to a client that is killed and stopped:
//
//    server child  <---- calls -----  this process  <---- calls -----  client child
//
// Each successor must be reached, each reply that comes must be right, each call must end, with a
// status that its server's fate allows. At the end, this process and the system must hold nothing
// that they did not hold before.
//
// Exit status 1: something else. The seed decides who dies, and when; threads do the rest.

#include <signal.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/deadline.h"
#include "tests/conformance/child.h"
#include "tests/contract/subject.h"
#include "tests/soak/children.h"
#include "tests/soak/load.h"
#include "tests/soak/resources.h"
#include "tests/soak/service.h"
#include "tests/soak/trial.h"

ABSL_FLAG(int, blows, 40, "how often a process is killed or stopped");
ABSL_FLAG(uint64_t, seed, 1, "of the blows and the calls");
ABSL_FLAG(int, memory_mib, 64, "by which its resident memory may grow");
ABSL_FLAG(bool, heading, true, "whether to print the table's heading");

namespace nigh::testing {
namespace {

// Longer than anything takes.
constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr int kChannels = 2;
// Replies on each side before what the processes hold is called normal.
constexpr uint64_t kWarmUp = 300;

struct Counts {
  int servers_killed = 0;
  int clients_killed = 0;
  int stopped = 0;    // and continued
  int restarted = 0;  // as an update does it: these are no blows
  int errors = 0;

  int blows() const { return servers_killed + clients_killed + stopped; }
};

// What a killed client has left goes with the next server.
absl::Status SweepAt(const std::string& address) {
  Answers answers(/*wrong_at=*/0);
  LoadServer next(/*coroutines=*/false, answers);
  return next.Serve(address, /*patient=*/false);
}

// The three processes, from their start to their end.
class Scene {
 public:
  Scene(uint64_t seed, Outcomes& outcomes, const SharedOutcomes& childs_outcomes, Counts& counts)
      : random_(seed),
        outcomes_(outcomes),
        childs_outcomes_(childs_outcomes),
        counts_(counts),
        own_answers_(/*wrong_at=*/0),
        own_(std::in_place, OneIn(2), own_answers_) {
    Expect(own_->Serve(FreshAddress().ToString(), /*patient=*/false), "this process's server");
    StartServer(FreshAddress().ToString(), /*patient=*/false);
    address_ = server_->Hear();
    for (int i = 0; i < kChannels; ++i) channels_.push_back(DialLoad(address_));
    for (const auto& channel : channels_) Expect(Reach(channel), "the first server");
    load_.emplace(channels_, LoadOptions{.seed = random_(), .mix = MixOfSubject()}, weather_,
                  outcomes_);
    StartClient();
    AwaitClient();
  }

  // Ends everything in order.
  ~Scene() {
    load_.reset();
    client_->Signal(SIGTERM);
    Expect(client_->Wait(), "the client's end");
    server_->Signal(SIGTERM);
    Expect(server_->Wait(), "the server's end");
    channels_.clear();
    const std::string running = Settle([this] {
      return own_answers_.running == 0 ? "" : absl::StrCat(own_answers_.running.load());
    });
    if (!running.empty()) Complain(absl::StrCat(running, " handlers of dead clients still run"));
    const std::string own_address = own_->address();
    own_->Shutdown();
    own_.reset();
    Expect(SweepAt(own_address), "a server after all");
    Expect(SweepAt(address_), "a server after all");
  }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  // Where clients have dialled: this process's server, and the other.
  std::vector<std::string> addresses() const { return {own_->address(), address_}; }

  void WarmUp() {
    AwaitReplies(outcomes_, kWarmUp);
    AwaitReplies(*childs_outcomes_, kWarmUp);
  }

  // One blow, or a restart.
  void Act() {
    if (OneIn(8)) return RestartServer();
    const bool at_server = OneIn(2);
    Child& victim = at_server ? *server_ : *client_;
    const Outcomes& outcomes = at_server ? outcomes_ : *childs_outcomes_;
    AwaitReplies(outcomes, 1);
    Pause(3'000);
    Spin(50'000);
    if (OneIn(3)) {
      victim.Freeze();
      Pause(5'000);
      if (!OneIn(4)) {
        victim.Signal(SIGCONT);
        ++counts_.stopped;
        return AwaitReplies(outcomes, 1);
      }
    }
    if (at_server) {
      KillServer();
    } else {
      KillClient();
    }
  }

 private:
  void KillServer() {
    weather_.Begin(Weather::kDeath);
    for (bool again = true; again;) {
      Kill(*server_);
      ++counts_.servers_killed;
      // The dead server's address is free at once.
      StartServer(address_, /*patient=*/false);
      // Some die while they begin.
      again = OneIn(6);
      if (again) Pause(6'000);
    }
    ReachServer();
    weather_.End(Weather::kDeath);
  }

  void KillClient() {
    for (bool again = true; again;) {
      Kill(*client_);
      ++counts_.clients_killed;
      StartClient();
      again = OneIn(6);
      if (again) Pause(6'000);
    }
    AwaitClient();
  }

  void RestartServer() {
    AwaitReplies(outcomes_, 1);
    Pause(2'000);
    weather_.Begin(Weather::kRestart);
    std::unique_ptr<Child> old = std::move(server_);
    StartServer(address_, /*patient=*/true);
    old->Signal(SIGTERM);
    ReachServer();
    Expect(old->Wait(), "the end of a server that is restarted");
    weather_.End(Weather::kRestart);
    ++counts_.restarted;
  }

  static void Kill(Child& victim) {
    victim.Signal(SIGKILL);
    (void)victim.Wait();
  }

  void StartServer(const std::string& address, bool patient) {
    server_ = std::make_unique<Child>(OneIn(2) ? ServerArguments(address, "", patient)
                                               : ServerArguments("", address, patient));
  }
  void ReachServer() {
    const std::string said = server_->Hear();
    if (said != address_) Complain(absl::StrCat("a server's successor says: ", said));
    for (const auto& channel : channels_) Expect(Reach(channel), "a server's successor");
  }

  void StartClient() {
    client_ =
        std::make_unique<Child>(ClientArguments(own_->address(), random_(), childs_outcomes_));
  }
  void AwaitClient() {
    const std::string said = client_->Hear();
    if (said != "reached") Complain(absl::StrCat("a client's successor says: ", said));
  }

  // Waits until so many more have come.
  void AwaitReplies(const Outcomes& outcomes, uint64_t count) {
    const uint64_t due = outcomes.replies + count;
    const Deadline patience = Deadline::After(kPatience);
    while (outcomes.replies < due) {
      if (patience.HasPassed()) return Complain("calls do not go on");
      absl::SleepFor(absl::Microseconds(50));
    }
  }

  bool OneIn(uint64_t n) { return random_() % n == 0; }
  void Pause(uint64_t micros) {
    absl::SleepFor(absl::Microseconds(static_cast<int64_t>(random_() % micros)));
  }
  void Spin(uint64_t nanos) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(random_() % nanos);
    while (std::chrono::steady_clock::now() < end) {
    }
  }

  void Expect(const absl::Status& status, const std::string& what) {
    if (!status.ok()) Complain(absl::StrCat(what, ": ", status.ToString()));
  }
  void Complain(const std::string& what) {
    ++counts_.errors;
    absl::PrintF("WRONG after %d blows: %s\n", counts_.blows(), what);
  }

  std::mt19937_64 random_;
  Outcomes& outcomes_;
  const SharedOutcomes& childs_outcomes_;
  Counts& counts_;

  Answers own_answers_;
  std::optional<LoadServer> own_;
  std::unique_ptr<Child> client_;

  std::unique_ptr<Child> server_;
  std::string address_;  // its
  Weather weather_;
  std::vector<std::shared_ptr<Channel>> channels_;
  std::optional<RunningLoad> load_;
};

// NewNames, at last. Not all of it goes with the next server: where a number stands for a dead
// process, another may have that number by now; and System V memory whose maker lives is left to a
// killed peer for a minute.
std::string NamesLeft(const std::vector<std::string>& addresses,
                      const std::set<std::string>& names) {
  const Deadline patience = Deadline::After(absl::Seconds(75));
  for (;;) {
    std::string left = Settle([&] { return NewNames(SubjectDirectory(), names); });
    if (left.empty() || patience.HasPassed()) return left;
    absl::SleepFor(absl::Seconds(1));
    for (const std::string& address : addresses) (void)SweepAt(address);
  }
}

int Main() {
  const uint64_t seed = absl::GetFlag(FLAGS_seed);
  const std::string medium = TheSubject().name;
  absl::PrintF("chaos over %s: %d blows, --seed=%d\n", medium, absl::GetFlag(FLAGS_blows), seed);
  const std::set<std::string> names = NamesOfTheSystem(SubjectDirectory());
  const int threads = Resources::OfThisProcess().threads;
  Outcomes outcomes;
  const SharedOutcomes childs_outcomes;
  Counts counts;
  {
    Scene calm(seed, outcomes, childs_outcomes, counts);
    calm.WarmUp();
  }
  std::string excess = Settle(
      [&] { return Resources::OfThisProcess().threads > threads ? "threads do not end" : ""; });
  const Resources before = Resources::OfThisProcess();
  std::vector<std::string> addresses;
  {
    Scene scene(seed + 1000, outcomes, childs_outcomes, counts);
    while (counts.blows() < absl::GetFlag(FLAGS_blows) && counts.errors == 0) scene.Act();
    addresses = scene.addresses();
  }
  const int memory = absl::GetFlag(FLAGS_memory_mib);
  absl::StrAppend(&excess,
                  Settle([&] { return Excess(before, Resources::OfThisProcess(), memory); }));
  const std::string left = NamesLeft(addresses, names);
  if (!left.empty()) absl::StrAppend(&excess, " names: ", left);
  if (!excess.empty()) absl::PrintF("LEFT OVER: %s\n", excess);
  const Resources after = Resources::OfThisProcess();

  const auto both = [&](Outcomes::Count Outcomes::*count) {
    return outcomes.*count + (*childs_outcomes).*count;
  };
  if (absl::GetFlag(FLAGS_heading)) {
    absl::PrintF(
        "| medium | killed: servers, clients | stopped | restarted | calls | replies checked | OK "
        "| unavailable | cancelled | deadline | sent again | safe in restarts | wrong content | "
        "other statuses | descriptors, threads, MiB before | after |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  }
  absl::PrintF(
      "| %s | %d, %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d, %d, %d | "
      "%d, %d, %d |\n",
      medium, counts.servers_killed, counts.clients_killed, counts.stopped, counts.restarted,
      outcomes.total() + (*childs_outcomes).total(), both(&Outcomes::replies), both(&Outcomes::ok),
      both(&Outcomes::unavailable), both(&Outcomes::cancelled), both(&Outcomes::deadline),
      both(&Outcomes::again), both(&Outcomes::sure_in_restart), both(&Outcomes::wrong),
      both(&Outcomes::unexpected), before.descriptors, before.threads, before.memory_mib,
      after.descriptors, after.threads, after.memory_mib);
  const bool good =
      counts.errors == 0 && excess.empty() && outcomes.bad() == 0 && (*childs_outcomes).bad() == 0;
  absl::PrintF("chaos over %s: %s\n", medium, good ? "good" : "NOT GOOD");
  return good ? 0 : 1;
}

}  // namespace
}  // namespace nigh::testing

int main(int argc, char** argv) {
  return nigh::testing::MainOrAct(argc, argv, &nigh::testing::Main);
}
