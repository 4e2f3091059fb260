#include "nigh/transports/exec/exec.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/exec/last_words.h"
#include "nigh/transports/exec/stdio.h"
#include "tests/contract/frames.h"

namespace nigh {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MakeAddress;
using ::testing::Not;
using ::testing::StartsWith;

constexpr int kPatience = 60'000;  // milliseconds

absl::StatusOr<std::unique_ptr<Connection>> Dial(absl::string_view text) {
  return DialExec(MakeAddress(text));
}

UniqueFd OpenProcess(pid_t pid) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

bool HasEnded(const UniqueFd& process, int patience) {
  pollfd entry = {.fd = process.get(), .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, patience) == 1;
}

// What the end of a child that runs `script` in a shell is said to have been.
std::string EndOf(absl::string_view script) {
  auto connection =
      DialExec({.scheme = "exec",
                .name = absl::StrCat("sh -c ", absl::StrReplaceAll(script, {{" ", "\\ "}})),
                .parameters = {}})
          .value();
  const absl::Status end = testing::ReceiveEnd(*connection);
  EXPECT_EQ(end.code(), absl::StatusCode::kUnavailable) << end;
  return std::string(end.message());
}

TEST(SplitWords, SeparatesAtSpacesThatAreNotEscaped) {
  EXPECT_THAT(SplitWords("cat"), ElementsAre("cat"));
  EXPECT_THAT(SplitWords("  a  b "), ElementsAre("a", "b"));
  EXPECT_THAT(SplitWords("a\\ b c\\\\d \\ "), ElementsAre("a b", "c\\d", " "));
  EXPECT_THAT(SplitWords("a\\"), ElementsAre("a\\"));
  EXPECT_THAT(SplitWords(""), IsEmpty());
}

TEST(LastWords, KeepsTheLastLinesOnly) {
  LastWords words;
  EXPECT_EQ(words.Quoted(), "");
  words.Add("one\ntwo\nthree\n");
  EXPECT_EQ(words.Quoted(), ": \"one\\ntwo\\nthree\"");
  words.Add("four\nfive\nsi");
  words.Add("x\n\n");
  EXPECT_EQ(words.Quoted(), ": \"two\\nthree\\nfour\\nfive\\nsix\"");
  words.Add(std::string(10'000, 'x'));
  EXPECT_EQ(words.Quoted(), absl::StrCat(": \"", std::string(1024, 'x'), "\""));
}

TEST(Exec, FramesTravelThroughTheChild) {
  auto connection = Dial("exec:cat").value();
  for (uint32_t call = 0; call < 100; ++call) {
    ASSERT_TRUE(testing::Send(*connection, call, testing::Pattern(call, 3000)).ok());
    EXPECT_EQ(testing::Receive(*connection).value().payload, testing::Pattern(call, 3000));
  }
  EXPECT_EQ(connection->peer().address, "exec:cat");
  EXPECT_EQ(connection->peer().medium, "pipe");
  EXPECT_EQ(::kill(connection->peer().pid.value(), 0), 0);
}

TEST(Exec, TheStatusSaysHowTheChildDiedAndWhatItSaid) {
  EXPECT_THAT(EndOf("exit 3"), HasSubstr(") exited with status 3"));
  EXPECT_THAT(EndOf("kill -SEGV $$"), HasSubstr(") was killed by signal 11 (Segmentation fault)"));
  const std::string end = EndOf("echo first >&2; echo out of tea >&2; exit 1");
  EXPECT_THAT(end, StartsWith("exec:sh -c "));
  EXPECT_THAT(end, HasSubstr("receive: the server sh (process "));
  EXPECT_THAT(end, HasSubstr("exited with status 1: \"first\\nout of tea\""));
}

TEST(Exec, AChildThatOnlyClosesItsOutputIsSaidToHaveDoneSo) {
  EXPECT_THAT(EndOf("exec >&-; read line"), HasSubstr(") closed the connection"));
}

// Its own children may hold its standard error open for ever.
TEST(Exec, AGrandchildDelaysNothing) {
  EXPECT_THAT(EndOf("sleep 1000 >&2 & echo bye >&2; exit 4"),
              HasSubstr("exited with status 4: \"bye\""));
}

TEST(Exec, WhatCannotBeStartedIsUnavailable) {
  for (const char* address : {"exec:/no/such/program", "exec:no-such-program-anywhere x"}) {
    const absl::Status status = Dial(address).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(status.message()),
                StartsWith(absl::StrCat(address, ": connect: start ")));
    EXPECT_THAT(std::string(status.message()), HasSubstr("No such file or directory"));
  }
  EXPECT_THAT(std::string(Dial("exec:/").status().message()), HasSubstr("Permission denied"));
}

TEST(Exec, AddressesThatCannotWorkAreRefused) {
  for (const absl::Status& status :
       {Dial("exec: ").status(), Dial("exec:cat?shell=yes").status(),
        ListenExec(MakeAddress("exec:cat")).status(), DialStdio(MakeAddress("stdio:")).status(),
        ListenStdio(MakeAddress("stdio:x")).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  }
}

TEST(Exec, StandardInputThatIsNoPipeIsRefusedWithARemedy) {
  const absl::Status status = ListenStdio(MakeAddress("stdio:")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("exec:PROGRAM"));
}

// Waited for, so that it is no zombie.
void AwaitBurial(pid_t pid) {
  while (::kill(pid, 0) == 0 || errno != ESRCH) ::sched_yield();
}

TEST(Exec, TheChildEndsWithTheConnection) {
  auto connection = Dial("exec:cat").value();
  const pid_t pid = *connection->peer().pid;
  connection.reset();
  AwaitBurial(pid);
}

TEST(Exec, AChildThatDoesNotCareIsKilled) {
  auto connection = Dial("exec:sleep 1000").value();
  const pid_t pid = *connection->peer().pid;
  connection.reset();
  AwaitBurial(pid);
}

TEST(Exec, AChildThatGoesOnTalkingIsKilledAllTheSame) {
  auto connection = Dial(R"(exec:sh -c while\ sleep\ 0.2;do\ echo\ still\ here\ >&2;done)").value();
  const pid_t pid = *connection->peer().pid;
  connection.reset();
  AwaitBurial(pid);
}

TEST(Exec, LeavesNoDescriptorBehind) {
  const auto count = [] { return UniqueFd(::dup(0)).get(); };
  const int before = count();
  for (int i = 0; i < 20; ++i) {
    auto connection = Dial("exec:cat").value();
    const pid_t pid = *connection->peer().pid;
    connection.reset();
    AwaitBurial(pid);
    (void)Dial("exec:/no/such/program");
  }
  // The thread that has reaped the last of them may have to close three.
  while (count() > before) ::sched_yield();
}

// Even a parent that is killed, and whose thread that dialled is long gone.
TEST(Exec, TheChildDiesWithItsParent) {
  std::array<int, 2> ends;
  ASSERT_EQ(::pipe(ends.data()), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    pid_t pid = -1;
    std::unique_ptr<Connection> connection;
    std::thread([&] {
      connection = Dial("exec:sleep 1000").value();
      pid = *connection->peer().pid;
    }).join();
    (void)!::write(ends[1], &pid, sizeof(pid));
    ::pause();
    ::_exit(0);
  }
  pid_t child = -1;
  ASSERT_EQ(::read(ends[0], &child, sizeof(child)), static_cast<ssize_t>(sizeof(child)));
  const UniqueFd process = OpenProcess(child);
  ASSERT_TRUE(process);
  EXPECT_FALSE(HasEnded(process, 50)) << "it was killed with the thread that dialled";
  ::kill(parent, SIGKILL);
  ASSERT_EQ(::waitpid(parent, nullptr, 0), parent);
  EXPECT_TRUE(HasEnded(process, kPatience));
  for (const int fd : ends) ::close(fd);
}

// Programs that let the kernel reap their children, or do so themselves.
TEST(Exec, WhatIsNotKnownIsNotInvented) {
  struct sigaction ignored = {};
  struct sigaction before;
  ignored.sa_handler = SIG_IGN;
  ASSERT_EQ(::sigaction(SIGCHLD, &ignored, &before), 0);
  const std::string end = EndOf("exit 7");
  ASSERT_EQ(::sigaction(SIGCHLD, &before, nullptr), 0);
  // Linux 6.15 and later know.
  EXPECT_TRUE(absl::StrContains(end, "exited with status 7") ||
              absl::StrContains(end, "how is not known"))
      << end;
}

// What this process ignores or blocks is not inherited.
TEST(Exec, TheChildHasThreeDescriptors) {
  // As code has it that does not know of O_CLOEXEC.
  const UniqueFd forgotten(::dup(STDERR_FILENO));
  const std::string end =
      EndOf(absl::StrCat("test -e /proc/self/fd/", forgotten.get(), " && exit 4; exit 3"));
  EXPECT_THAT(end, HasSubstr("exited with status 3"));
}

TEST(Exec, TheChildHasTheUsualSignals) {
  EXPECT_THAT(EndOf("kill -PIPE $$"), HasSubstr("killed by signal 13"));
}

}  // namespace
}  // namespace nigh
