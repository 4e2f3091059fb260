// What is left of a plugin's time when its host lets go of it, or ends.

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/transport/unique_fd.h"
#include "tests/processes/plugin.h"
#include "tests/support/temporary_folder.h"

namespace nigh::testing {
namespace {

// Longer than any clean-up takes, on a machine that is busy with others.
constexpr char kLong[] = "?grace=30s";

bool Exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// How a host ends that ends in this way.
std::string EndOfHost(const std::string& way, std::vector<std::string> addresses) {
  std::string program = "/proc/self/exe";
  std::string word = absl::StrCat("--host=", way);
  std::vector<char*> words = {program.data(), word.data()};
  for (std::string& address : addresses) words.push_back(address.data());
  words.push_back(nullptr);
  pid_t host = -1;
  ::posix_spawn(&host, program.c_str(), nullptr, nullptr, words.data(), environ);
  int status = 0;
  ::waitpid(host, &status, 0);
  return DescribeEnd(status);
}

class PluginExitTest : public ::testing::Test {
 protected:
  const TemporaryFolder folder_;
};

TEST_F(PluginExitTest, AHostThatEndsLetsItsPluginCleanUp) {
  for (const char* const way : {"returns", "lets-go", "global", "leaks", "exits", "thread-exits"}) {
    const std::string mark = folder_.PathOf(way);
    EXPECT_EQ(EndOfHost(way, {PluginAddress(absl::StrCat("--cleans=", mark, kLong))}), "exit 0");
    EXPECT_TRUE(Exists(mark)) << way;
  }
}

TEST_F(PluginExitTest, ItWaitsForAllPluginsAtOnce) {
  const std::string mark = folder_.PathOf("mark");
  std::vector<std::string> addresses;
  for (int i = 0; i < 3; ++i) {
    addresses.push_back(PluginAddress(absl::StrCat("--meets=", mark, ",", i, kLong)));
  }
  EXPECT_EQ(EndOfHost("leaks", addresses), "exit 0");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Exists(absl::StrCat(mark, ".", i, ".done"))) << i;
}

TEST_F(PluginExitTest, APluginThatStaysIsKilledAfterItsGrace) {
  for (const char* const way : {"lets-go", "leaks"}) {
    const absl::Time begin = absl::Now();
    EXPECT_EQ(
        EndOfHost(way,
                  {PluginAddress(absl::StrCat("--stays=", folder_.PathOf(way), "?grace=300ms"))}),
        "exit 0");
    EXPECT_GE(absl::Now() - begin, absl::Milliseconds(300));
    pid_t plugin = -1;
    std::ifstream(folder_.PathOf(way)) >> plugin;
    ASSERT_GT(plugin, 0);
    const UniqueFd process = OpenProcess(plugin);
    EXPECT_TRUE(!process || HasEnded(process));
  }
}

TEST_F(PluginExitTest, AHostThatCannotWaitTakesItsPluginAlong) {
  EXPECT_EQ(
      EndOfHost("quits", {PluginAddress(absl::StrCat("--stays=", folder_.PathOf("pid"), kLong))}),
      "exit 0");
  pid_t plugin = -1;
  std::ifstream(folder_.PathOf("pid")) >> plugin;
  ASSERT_GT(plugin, 0);
  const UniqueFd process = OpenProcess(plugin);
  EXPECT_TRUE(!process || HasEnded(process));
}

TEST_F(PluginExitTest, AHostThatLivesOnLetsItsPluginCleanUp) {
  const std::string mark = folder_.PathOf("mark");
  auto channel = Dial(PluginAddress(absl::StrCat("--cleans=", mark, kLong))).value();
  ASSERT_EQ(Ask(channel), "1");
  const UniqueFd process = OpenProcess(*channel->peer().pid);
  channel = nullptr;
  EXPECT_TRUE(HasEnded(process));
  EXPECT_TRUE(Exists(mark));
}

// A child of fork(2) has no plugin, and waits for none.
TEST_F(PluginExitTest, AChildOfTheHostExitsAtOnce) {
  const std::string mark = folder_.PathOf("mark");
  const auto channel = Dial(PluginAddress(absl::StrCat("--stays=", mark, "?grace=0"))).value();
  ASSERT_EQ(Ask(channel), "1");
  const pid_t child = ::fork();
  if (child == 0) ::exit(0);
  ASSERT_TRUE(HasEnded(OpenProcess(child)));
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(Ask(channel), "2");
}

}  // namespace
}  // namespace nigh::testing
