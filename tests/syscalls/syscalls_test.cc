// System calls fail, each in its turn: at a client, at a server, and while a server accepts.
//
// In the environment, STRIDE=1 has every call fail, and ONLY_TRIAL="descriptors, EMFILE at 7", as
// a failure calls it, has one run alone.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "tests/contract/subject.h"
#include "tests/syscalls/fault_sets.h"
#include "tests/syscalls/sides.h"
#include "tests/syscalls/supervisor.h"
#include "tests/syscalls/trial.h"

namespace nigh::testing {
namespace {

enum class Side { kClient, kServer, kBoth };

// So many of the calls of a set fail, evenly spread.
constexpr int kTrials = 12;

// What has come of one run.
struct Result {
  Findings findings;
  int calls = 0;
  int faults = 0;
  std::string last_calls;
};

Result ResultOf(Trial& trial) {
  return {.findings = trial.Wait(),
          .calls = trial.calls(),
          .faults = trial.faults(),
          .last_calls = trial.LastCalls()};
}

// The other side's process has no fault.
Result TryServer(const Fault& fault) {
  Pipe address;
  Pipe over;
  Trial server(fault,
               [&](Supervisor& supervisor) { return Serve(fault, address, over, &supervisor); });
  Trial client([&] {
    const std::string there = address.Hear();
    return there.empty() ? Findings() : Call(there, fault, /*own=*/false);
  });
  address.Close();
  over.Close();
  const Findings seen = client.Wait();
  Result result = ResultOf(server);
  result.findings.failures += seen.failures;
  return result;
}

class SystemCallsTest : public ::testing::TestWithParam<std::tuple<Side, const FaultSet*>> {
 protected:
  void SetUp() override {
    if (!CanSupervise()) GTEST_SKIP() << kCannotSupervise;
    // The children are to share it, and this process to remove it.
    (void)SubjectDirectory();
  }

  static Side side() { return std::get<0>(GetParam()); }
  static const FaultSet& set() { return *std::get<1>(GetParam()); }

  static Result Try(const Fault& fault, const std::string& server) {
    switch (side()) {
      case Side::kClient: {
        Trial client(fault, [&](Supervisor&) { return Call(server, fault, /*own=*/true); });
        return ResultOf(client);
      }
      case Side::kServer:
        return TryServer(fault);
      case Side::kBoth:
        break;
    }
    Trial both(fault, [&](Supervisor&) { return ServeAndCall(fault); });
    return ResultOf(both);
  }

  // All the faults of the set, against the server where this side is the client.
  static void TryAll(const std::string& server);
};

void SystemCallsTest::TryAll(const std::string& server) {
  const Result whole = Try({.set = &set()}, server);
  ASSERT_EQ(whole.findings.failures, "") << whole.last_calls;
  const char* const stride_text = std::getenv("STRIDE");
  const char* const only = std::getenv("ONLY_TRIAL");
  const int stride =
      stride_text != nullptr ? std::atoi(stride_text) : (whole.calls + kTrials - 1) / kTrials;
  int trials = 0;
  int faults = 0;
  for (const int error : set().errors) {
    for (const int in_a_row : set().in_a_row) {
      // Not the same ones for each.
      for (int first = 1 + trials % std::max(stride, 1); first <= whole.calls; first += stride) {
        const std::string trial =
            absl::StrCat(set().name, ", ", in_a_row, " x ", NameOfError(error), " at ", first);
        if (only != nullptr && trial != only) continue;
        const Result result =
            Try({.set = &set(), .error = error, .first = first, .times = in_a_row}, server);
        EXPECT_EQ(result.findings.failures, "") << trial << "\n" << result.last_calls;
        EXPECT_LE(result.findings.descriptors, whole.findings.descriptors)
            << trial << ": descriptors are left\n"
            << result.last_calls;
        ++trials;
        faults += result.faults;
        if (HasFailure() && only == nullptr) return;
      }
    }
  }
  std::cout << whole.calls << " calls; " << trials << " trials, " << faults << " faults\n";
  // How often somebody sleeps, or finds nothing, is another number each time; not what is made.
  const bool must_come_about = set().name == absl::string_view(DescriptorMakers().name);
  EXPECT_TRUE(faults > 0 || !must_come_about || only != nullptr);
}

TEST_P(SystemCallsTest, EachFails) {
  if (side() != Side::kClient) return TryAll("");
  Pipe address;
  Pipe over;
  Trial server([&] { return Serve({.set = &set()}, address, over, nullptr); });
  const std::string there = address.Hear();
  TryAll(there);
  over.Close();
  EXPECT_EQ(server.Wait().failures, "");
}

std::string NameOf(const ::testing::TestParamInfo<SystemCallsTest::ParamType>& info) {
  constexpr std::array<absl::string_view, 3> kSides = {"Client", "Server", "Both"};
  std::string name(kSides[static_cast<size_t>(std::get<0>(info.param))]);
  for (const absl::string_view word :
       absl::StrSplit(std::get<1>(info.param)->name, absl::ByAnyChar(" ,"))) {
    absl::StrAppend(&name, name.empty() || word.empty() ? "" : "_", word);
  }
  return name;
}

std::vector<const FaultSet*> Sets() {
  std::vector<const FaultSet*> sets;
  for (const FaultSet& set : FaultSets()) sets.push_back(&set);
  return sets;
}

INSTANTIATE_TEST_SUITE_P(OneProcess, SystemCallsTest,
                         ::testing::Combine(::testing::Values(Side::kBoth),
                                            ::testing::ValuesIn(Sets())),
                         &NameOf);
INSTANTIATE_TEST_SUITE_P(TwoProcesses, SystemCallsTest,
                         ::testing::Combine(::testing::Values(Side::kClient, Side::kServer),
                                            ::testing::ValuesIn(Sets())),
                         &NameOf);

}  // namespace
}  // namespace nigh::testing
