// What a process may be given: limits that kill, and standard descriptors that are closed.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "nigh/channel.h"
#include "nigh/server.h"
#include "tests/contract/subject.h"
#include "tests/processes/host.h"

namespace nigh::testing {
namespace {

// Serves and calls in this process. The reply, or the error that keeps from it.
std::string ServeAndCall() {
  HostService service;
  Server server(OptionsOfServer());
  server.Register(service);
  if (absl::Status status = server.Listen(FreshAddress().ToString()); !status.ok()) {
    return status.ToString();
  }
  if (absl::Status status = server.Start(); !status.ok()) return status.ToString();
  return Hello(Dial(server.addresses().front(), OptionsOfChannel()).value());
}

// How a process ends that runs `code`, and then says "exit 0".
std::string EndOf(absl::FunctionRef<void()> code) {
  const pid_t child = ::fork();
  if (child == 0) {
    code();
    ::_exit(0);
  }
  return AwaitEnd(child);
}

// A file that grows beyond the limit is answered by SIGXFSZ.
TEST(SurroundingsTest, ALimitOnFilesKillsNobody) {
  // Known to the child, too.
  (void)SubjectDirectory();
  for (const rlim_t limit : {rlim_t{0}, rlim_t{32768}}) {
    EXPECT_EQ(EndOf([limit] {
                const rlimit files = {.rlim_cur = limit, .rlim_max = limit};
                ::setrlimit(RLIMIT_FSIZE, &files);
                const std::string answer = ServeAndCall();
                if (answer == "hello" || absl::StrContains(answer, "ulimit -f")) return;
                ::fprintf(stderr, "%s\n", answer.c_str());
                ::_exit(2);
              }),
              "exit 0");
  }
}

bool IsNull(int fd) {
  struct stat file;
  struct stat null;
  return ::fstat(fd, &file) == 0 && ::stat("/dev/null", &null) == 0 && file.st_rdev == null.st_rdev;
}

// What is printed must not go onto the wire.
TEST(SurroundingsTest, ClosedStandardDescriptorsAreNobodys) {
  (void)SubjectDirectory();
  for (const int first : {STDIN_FILENO, STDERR_FILENO}) {
    EXPECT_EQ(EndOf([first] {
                for (int fd = first; fd <= STDERR_FILENO; ++fd) ::close(fd);
                if (ServeAndCall() != "hello") ::_exit(2);
                for (int fd = first; fd <= STDERR_FILENO; ++fd) {
                  if (!IsNull(fd)) ::_exit(3);
                }
              }),
              "exit 0");
  }
}

}  // namespace
}  // namespace nigh::testing
