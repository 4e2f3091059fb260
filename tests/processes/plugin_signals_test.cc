// A terminal's signals, which go to a host and to its plugins alike.

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/channel.h"
#include "nigh/server.h"
#include "nigh/transport/unique_fd.h"
#include "tests/processes/plugin.h"

namespace nigh::testing {
namespace {

constexpr absl::string_view kExitsWell = "exit 0";

// Tests in which a child of fork(2) gets signals: a terminal's foreground job.
class PluginJobTest : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "ThreadSanitizer holds signals back in children of fork(2)";
#endif
  }
};

// How a process ends that has a group of its own, as a terminal's foreground job has, and runs
// `code`, which returns its exit code.
std::string EndOfJob(const std::function<int()>& code) {
  const pid_t job = ::fork();
  if (job == 0) {
    ::setpgid(0, 0);
    ::_exit(code());
  }
  int status = 0;
  ::waitpid(job, &status, 0);
  return DescribeEnd(status);
}

void IgnoreHere(int signal) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  ::sigaction(signal, &action, nullptr);
}

TEST_F(PluginJobTest, WhatTheTerminalSendsIsTheHostsBusiness) {
  for (const int signal : {SIGINT, SIGHUP}) {
    EXPECT_EQ(EndOfJob([signal] {
                IgnoreHere(signal);
                const auto channel = Dial(PluginAddress("--plugin")).value();
                if (Ask(channel) != "1") return 1;
                // More than a server in a hurry would bear.
                for (const char* const count : {"2", "3", "4", "5"}) {
                  ::kill(0, signal);
                  if (Ask(channel) != count) return 2;
                }
                return 0;
              }),
              kExitsWell);
  }
}

TEST_F(PluginJobTest, AnOptionHasTheTerminalStopIt) {
  EXPECT_EQ(EndOfJob([] {
              IgnoreHere(SIGINT);
              const auto channel = Dial(PluginAddress("--plugin-stops")).value();
              if (Ask(channel) != "1") return 1;
              const UniqueFd process = OpenProcess(*channel->peer().pid);
              ::kill(0, SIGINT);
              if (!HasEnded(process)) return 2;
              return Ask(channel) == "1" ? 0 : 3;
            }),
            kExitsWell);
}

TEST(PluginTest, TerminationStopsIt) {
  const auto channel = Dial(PluginAddress("--plugin")).value();
  ASSERT_EQ(Ask(channel), "1");
  const pid_t pid = *channel->peer().pid;
  const UniqueFd process = OpenProcess(pid);
  ::kill(pid, SIGTERM);
  EXPECT_TRUE(HasEnded(process));
  EXPECT_EQ(Ask(channel), "1");
}

TEST_F(PluginJobTest, ProgramsThatItStartsHaveTheUsualSignals) {
  EXPECT_EQ(Ask(Dial(PluginAddress("--plugin")).value(), "children"), "signal 2, signal 2");
}

void AwaitHandler(int signal) {
  struct sigaction now = {};
  do {
    ::sched_yield();
    ::sigaction(signal, nullptr, &now);
  } while (now.sa_handler == SIG_DFL);
}

TEST_F(PluginJobTest, BeforeItsFirstConnectionTheTerminalIsNotItsBusinessEither) {
  EXPECT_EQ(EndOfJob([] {
              std::array<int, 2> input;
              std::array<int, 2> output;
              if (::pipe(input.data()) != 0 || ::pipe(output.data()) != 0) return 2;
              ::dup2(input[0], STDIN_FILENO);
              ::dup2(output[1], STDOUT_FILENO);
              std::thread terminal([&] {
                for (const int signal : {SIGINT, SIGHUP}) {
                  AwaitHandler(signal);
                  for (int i = 0; i < 4; ++i) ::kill(0, signal);
                }
                ::close(input[1]);
              });
              const int result = ServeAsPlugin();
              terminal.join();
              return result;
            }),
            kExitsWell);
}

// Nobody has started a server that listens elsewhere, too, for its own sake alone.
TEST_F(PluginJobTest, AServerWithAnotherAddressIsStopped) {
  EXPECT_EQ(EndOfJob([] {
              Server server;
              if (!server.Listen(absl::StrCat("unix-abstract:plugin_test.", ::getpid())).ok()) {
                return 2;
              }
              std::thread terminal([] {
                AwaitHandler(SIGINT);
                ::kill(0, SIGINT);
              });
              const absl::Status end = server.Run();
              terminal.join();
              return end.ok() ? 0 : 3;
            }),
            kExitsWell);
}

}  // namespace
}  // namespace nigh::testing
