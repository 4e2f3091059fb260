// A signal comes every 0.2 ms, and its handler has not been installed with SA_RESTART: all that can
// be interrupted is. Nobody notices.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>

#include <atomic>
#include <string>

#include "tests/contract/subject.h"
#include "tests/syscalls/sides.h"
#include "tests/syscalls/supervisor.h"
#include "tests/syscalls/trial.h"

namespace nigh::testing {
namespace {

constexpr int kChannels = 25;

// Whichever thread the signal comes to.
std::atomic<int> interrupts = 0;

void StartInterrupts() {
  struct sigaction action = {};
  action.sa_handler = [](int) { ++interrupts; };
  ::sigaction(SIGALRM, &action, nullptr);
  constexpr timeval kInterval = {.tv_sec = 0, .tv_usec = 200};
  constexpr itimerval kTimer = {.it_interval = kInterval, .it_value = kInterval};
  ::setitimer(ITIMER_REAL, &kTimer, nullptr);
}

Findings Interrupted(Findings findings) {
  constexpr itimerval kNever = {};
  ::setitimer(ITIMER_REAL, &kNever, nullptr);
  if (interrupts == 0) findings.failures += "no signal has come\n";
  return findings;
}

TEST(TwoProcessesInterruptsTest, NobodyNotices) {
  (void)SubjectDirectory();
  Pipe address;
  Pipe over;
  Trial server([&] {
    StartInterrupts();
    return Interrupted(Serve(NoFault(), address, over, nullptr));
  });
  Trial client([&] {
    const std::string there = address.Hear();
    StartInterrupts();
    Findings findings;
    for (int i = 0; i < kChannels && findings.failures.empty(); ++i) {
      findings = Call(there, NoFault(), /*own=*/true);
    }
    return Interrupted(findings);
  });
  address.Close();
  over.Close();
  EXPECT_EQ(client.Wait().failures, "");
  EXPECT_EQ(server.Wait().failures, "");
}

TEST(OneProcessInterruptsTest, NobodyNotices) {
  (void)SubjectDirectory();
  Trial both([&] {
    StartInterrupts();
    Findings findings;
    for (int i = 0; i < kChannels && findings.failures.empty(); ++i) {
      findings = ServeAndCall(NoFault());
    }
    return Interrupted(findings);
  });
  EXPECT_EQ(both.Wait().failures, "");
}

}  // namespace
}  // namespace nigh::testing
