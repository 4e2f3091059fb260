// A server has no descriptor to give while clients come.

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/deadline.h"
#include "tests/contract/subject.h"
#include "tests/faults/exchange.h"
#include "tests/syscalls/sides.h"
#include "tests/syscalls/supervisor.h"
#include "tests/syscalls/trial.h"

namespace nigh::testing {
namespace {

// What each attempt to take a client in, or to turn it away, may ask for in vain, and how many may
// be made a millisecond.
constexpr int kFaultsAMillisecond = 32;

// Says its address. At each word, descriptors run out, or are there again; it says so.
Findings ServeInWant(Supervisor& supervisor, Pipe& said, Pipe& heard) {
  Notes notes;
  supervisor.Exempt(heard.out());
  const Site site(FreshAddress().ToString(), NoFault(), notes);
  if (!notes.failures().empty()) return {.failures = notes.failures()};
  said.Say(site.address());
  (void)heard.HearSome();
  const int64_t begun = SteadyNanos();
  supervisor.FailAll(EMFILE);
  said.Say("want");
  (void)heard.HearSome();
  supervisor.FailNone();
  const int64_t millis = (SteadyNanos() - begun) / 1'000'000 + 1;
  if (supervisor.record().faults.load() > kFaultsAMillisecond * millis) {
    notes.Fail(absl::StrCat("it spins: ", supervisor.record().faults.load(), " attempts in ",
                            millis, " ms"));
  }
  said.Say("plenty");
  (void)heard.Hear();
  return {.failures = notes.failures()};
}

Findings CallInWant(Pipe& said, Pipe& heard) {
  Notes notes;
  const std::string address = said.HearSome();
  const std::shared_ptr<Channel> early = DialSubject(address);
  MakeExchanges(early, NoFault(), /*own=*/false, notes);
  heard.Say("want");
  (void)said.HearSome();
  // Turned away, or not yet taken in.
  const std::shared_ptr<Channel> late = DialSubject(address);
  (void)MakeExchange(late, Kind::kUnary, "id", {.timeout = absl::Milliseconds(100)});
  // Who is there already does not suffer.
  for (int i = 0; i < 10; ++i) MakeExchanges(early, NoFault(), /*own=*/false, notes);
  heard.Say("plenty");
  (void)said.HearSome();
  for (const Kind kind : kKinds) {
    const Outcome outcome =
        MakeExchange(late, kind, "id", {.timeout = absl::Seconds(10), .wait_for_ready = true});
    if (!outcome.status.ok()) notes.Fail(absl::StrCat("late: ", outcome.status.ToString()));
  }
  return {.failures = notes.failures()};
}

TEST(TwoProcessesAcceptTest, AServerInWantOfDescriptorsAcceptsAgainAndDoesNotSpin) {
  if (!CanSupervise()) GTEST_SKIP() << kCannotSupervise;
  (void)SubjectDirectory();
  Pipe said;
  Pipe heard;
  Trial server(NoFault(),
               [&](Supervisor& supervisor) { return ServeInWant(supervisor, said, heard); });
  Trial client([&] { return CallInWant(said, heard); });
  said.Close();
  heard.Close();
  EXPECT_EQ(client.Wait().failures, "");
  EXPECT_EQ(server.Wait().failures, "") << server.LastCalls();
}

}  // namespace
}  // namespace nigh::testing
