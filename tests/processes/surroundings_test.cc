// What a process may be given: limits that kill, and standard descriptors that are closed.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <string>

#include "absl/functional/function_ref.h"
#include "tests/contract/subject.h"
#include "tests/processes/host.h"

namespace nigh::testing {
namespace {

// How a process of this program ends that serves and calls itself, in what `prepare` has made of
// its surroundings. `prepare` runs between fork(2) and exec(2).
std::string EndIn(absl::FunctionRef<void()> prepare) {
  std::string program = "/proc/self/exe";
  std::string subject = SubjectArgument();
  std::string act = "--call-itself";
  const std::array<char*, 4> argv = {program.data(), subject.data(), act.data(), nullptr};
  const pid_t child = ::fork();
  if (child == 0) {
    prepare();
    ::execv(program.c_str(), argv.data());
    ::_exit(127);
  }
  return AwaitEnd(child);
}

// A file that grows beyond the limit is answered by SIGXFSZ.
TEST(SurroundingsTest, ALimitOnFilesKillsNobody) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer writes to files itself, and is killed";
#endif
  for (const rlim_t limit : {rlim_t{0}, rlim_t{32768}}) {
    EXPECT_EQ(EndIn([limit] {
                const rlimit files = {.rlim_cur = limit, .rlim_max = limit};
                ::setrlimit(RLIMIT_FSIZE, &files);
              }),
              "exit 0");
  }
}

// What is printed must not go onto the wire.
TEST(SurroundingsTest, ClosedStandardDescriptorsAreNobodys) {
  for (const int first : {STDIN_FILENO, STDERR_FILENO}) {
    EXPECT_EQ(EndIn([first] {
                for (int fd = first; fd <= STDERR_FILENO; ++fd) ::close(fd);
              }),
              "exit 0");
  }
}

}  // namespace
}  // namespace nigh::testing
