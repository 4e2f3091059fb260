// A server on shared memory, somebody well-behaved who calls it all the time, and a process that
// does its worst on connections of its own.

#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nigh/deadline.h"
#include "nigh/nigh.h"
#include "tests/hostile/victim.nigh.h"
#include "tests/support/descriptors.h"
#include "tests/support/temporary_folder.h"

namespace nigh::testing {
namespace {

class EchoService final : public hostile::Victim::Service {
 public:
  absl::Status Echo(ServerContext&, const hostile::Note& request, hostile::Note* reply) override {
    *reply = request;
    return absl::OkStatus();
  }
};

// Of ring memory, one's own and peers'.
int Mappings() {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);) {
    count += absl::StrContains(line, "memfd:") ? 1 : 0;
  }
  return count;
}

class HostilePeerTest : public ::testing::TestWithParam<int> {
 protected:
  pid_t Start(int seed) {
    const char* const program = ::getenv("HOSTILE_PEER");
    std::string arguments[] = {program == nullptr ? "" : program, path_, absl::StrCat(seed), "150"};
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    pid_t pid = -1;
    EXPECT_EQ(::posix_spawn(&pid, pointers[0], nullptr, nullptr, pointers.data(), environ), 0);
    return pid;
  }

  // The median of calls, in nanoseconds, made until `pid` has ended.
  int64_t CallUntilItEnds(const hostile::Victim::Stub& stub, pid_t pid) {
    hostile::Note request;
    request.set_data(std::string(64, 'x'));
    std::vector<int64_t> times;
    int status = 0;
    while (::waitpid(pid, &status, WNOHANG) == 0) {
      const int64_t start = SteadyNanos();
      const auto reply = stub.Echo(request, {.timeout = absl::Minutes(1)});
      times.push_back(SteadyNanos() - start);
      EXPECT_TRUE(reply.ok()) << reply.status();
      if (!reply.ok()) break;
      EXPECT_EQ(reply->data(), request.data());
    }
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the hostile peer itself failed";
    EXPECT_FALSE(times.empty());
    std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
    return times[times.size() / 2];
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.PathOf("server");
};

TEST_P(HostilePeerTest, TheServerServesOthersAndSaysWhatItRefused) {
  const int descriptors = OpenDescriptors();
  const int mappings = Mappings();
  std::atomic<int> refused = 0;
  {
    EchoService service;
    ServerOptions options;
    options.on_error = [&](const absl::Status& status) {
      EXPECT_TRUE(absl::StartsWith(status.message(), absl::StrCat("shm:", path_))) << status;
      ++refused;
    };
    Server server(std::move(options));
    server.Register(service);
    const std::string address = absl::StrCat("shm:", path_);
    ASSERT_EQ(server.Listen(address), absl::OkStatus());
    ASSERT_EQ(server.Start(), absl::OkStatus());
    const hostile::Victim::Stub stub(Dial(address).value());
    RecordProperty("disturbed_p50_ns", static_cast<int>(CallUntilItEnds(stub, Start(GetParam()))));
    EXPECT_GT(refused, 0) << "nothing was reported";
    RecordProperty("refused", refused);
  }
  EXPECT_EQ(OpenDescriptors(), descriptors) << "descriptors have leaked";
  EXPECT_EQ(Mappings(), mappings) << "memory has leaked";
}

INSTANTIATE_TEST_SUITE_P(Seeds, HostilePeerTest, ::testing::Range(1, 6));

}  // namespace
}  // namespace nigh::testing
