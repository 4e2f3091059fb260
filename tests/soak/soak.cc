// Millions of calls of every kind, made in every way, of a server in a process of its own, over one
// medium. Every reply is checked. Prints what became of them, and what both processes held at the
// start and at the end. Exit status 1: wrong content, a status without cause, a call without an
// end, or something left over.

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "nigh/channel.h"
#include "tests/conformance/child.h"
#include "tests/contract/subject.h"
#include "tests/soak/children.h"
#include "tests/soak/load.h"
#include "tests/soak/resources.h"
#include "tests/soak/trial.h"

// As many as an idle machine makes in some ten to twenty seconds.
ABSL_FLAG(uint64_t, calls, nigh::testing::kSanitized ? 300'000 : 1'500'000,
          "how many calls to make");
ABSL_FLAG(uint64_t, seed, 1, "of all calls");
ABSL_FLAG(int, threads, 2, "that call and wait");
ABSL_FLAG(int, callbacks, 4, "calls that call back, under way at once");
ABSL_FLAG(int, coroutines, 4, "calls of coroutines, under way at once");
ABSL_FLAG(int, memory_mib, 128, "by which the resident memory of each process may grow");

namespace nigh::testing {
namespace {

// A server process, and the channels to it.
class Soak {
 public:
  Soak() : server_(ServerArguments(FreshAddress().ToString(), FreshAddress().ToString(), false)) {
    for (int i = 0; i < 2; ++i) addresses_.push_back(server_.Hear());
  }

  // Makes `calls` calls.
  void Run(uint64_t calls, uint64_t seed, Outcomes& outcomes) {
    if (channels_.empty()) {
      for (int i = 0; i < 4; ++i) channels_.push_back(DialLoad(addresses_[i % 2]));
    }
    RunningLoad load(channels_,
                     {.seed = seed,
                      .calls = calls,
                      .mix = {.largest = MixOfSubject().largest},
                      .threads = absl::GetFlag(FLAGS_threads),
                      .callbacks = absl::GetFlag(FLAGS_callbacks),
                      .coroutines = absl::GetFlag(FLAGS_coroutines)},
                     weather_, outcomes);
    load.Join();
  }

  Resources ServerHolds() {
    server_.Signal(SIGUSR1);
    return Resources::Decode(server_.Hear());
  }

  // How the server has ended.
  absl::Status End() {
    channels_.clear();
    server_.Signal(SIGTERM);
    return server_.Wait();
  }

 private:
  Child server_;
  std::vector<std::string> addresses_;
  std::vector<std::shared_ptr<Channel>> channels_;
  const Weather weather_;
};

void Print(const Outcomes& outcomes, double seconds) {
  const uint64_t total = outcomes.total();
  absl::PrintF("%-14s", "calls");
  for (const auto& way : kWays) absl::PrintF("%12s", way);
  for (size_t kind = 0; kind < kKinds.size(); ++kind) {
    absl::PrintF("\n%-14s", kKinds[kind]);
    for (const auto& count : outcomes.calls[kind]) absl::PrintF("%12d", count.load());
  }
  absl::PrintF(
      "\n%d calls in %.1f s, %.0f a second; %d replies checked\n"
      "OK %d, cancelled %d, deadline passed %d; wrong content %d, other statuses %d\n",
      total, seconds, static_cast<double>(total) / seconds, outcomes.replies.load(),
      outcomes.ok.load(), outcomes.cancelled.load(), outcomes.deadline.load(),
      outcomes.wrong.load(), outcomes.unexpected.load());
}

int Main() {
  const uint64_t calls = absl::GetFlag(FLAGS_calls);
  const uint64_t seed = absl::GetFlag(FLAGS_seed);
  const int memory = absl::GetFlag(FLAGS_memory_mib);
  absl::PrintF("soak over %s: %d calls, --seed=%d\n", TheSubject().name, calls, seed);
  const std::set<std::string> names = NamesOfTheSystem(SubjectDirectory());
  const Resources alone = Resources::OfThisProcess();
  bool good = true;
  const auto expect_nothing = [&good](const std::string& what, const std::string& excess) {
    if (excess.empty()) return;
    good = false;
    absl::PrintF("LEFT OVER: %s: %s\n", what, excess);
  };

  std::optional<Soak> soak(std::in_place);
  // Memory that is kept, threads of pools: they come with the first calls.
  Outcomes outcomes;
  soak->Run(std::min(calls, std::max<uint64_t>(calls / 100, 20'000)), seed, outcomes);
  const Resources client_before = Resources::OfThisProcess();
  const Resources server_before = soak->ServerHolds();
  const auto start = std::chrono::steady_clock::now();
  const uint64_t before = outcomes.total();
  if (calls > before) soak->Run(calls - before, seed + 1000, outcomes);
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;

  expect_nothing("client",
                 Settle([&] { return Excess(client_before, Resources::OfThisProcess(), memory); }));
  expect_nothing("server",
                 Settle([&] { return Excess(server_before, soak->ServerHolds(), memory); }));
  const Resources client_after = Resources::OfThisProcess();
  const Resources server_after = soak->ServerHolds();
  const absl::Status end = soak->End();
  soak.reset();
  expect_nothing("client without its channels", Settle([&] {
                   return Excess(alone, Resources::OfThisProcess(), /*memory_mib=*/1 << 20);
                 }));
  expect_nothing("names", Settle([&] { return NewNames(SubjectDirectory(), names); }));

  Print(outcomes, time.count());
  absl::PrintF(
      "client at first:   %s\n"
      "client at the end: %s\n"
      "server at first:   %s\n"
      "server at the end: %s\n",
      client_before.ToString(), client_after.ToString(), server_before.ToString(),
      server_after.ToString());
  if (!end.ok()) absl::PrintF("WRONG: the server has ended: %s\n", end.ToString());
  if (outcomes.total() != calls) absl::PrintF("LOST: %d calls\n", calls - outcomes.total());
  good = good && end.ok() && outcomes.total() == calls && outcomes.bad() == 0;
  absl::PrintF("soak over %s: %s\n", TheSubject().name, good ? "good" : "NOT GOOD");
  return good ? 0 : 1;
}

}  // namespace
}  // namespace nigh::testing

int main(int argc, char** argv) {
  return nigh::testing::MainOrAct(argc, argv, &nigh::testing::Main);
}
