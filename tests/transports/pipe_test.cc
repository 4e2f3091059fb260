#include "nigh/transports/pipe/pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/event_loop.h"
#include "nigh/server.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/pipe_ends.h"
#include "nigh/transport/unique_fd.h"
#include "tests/contract/frames.h"

namespace nigh {
namespace {

using ::testing::HasSubstr;
using testing::MakeAddress;

TEST(Pipe, FramesTravelThroughAPairAcrossForkAndExec) {
  auto [ours, theirs] = MakePipes().value();
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string script =
        absl::StrCat("exec cat <&", theirs.in.get(), " >&", theirs.out.get());
    if (theirs.KeepOnExec().ok()) ::execlp("sh", "sh", "-c", script.c_str(), nullptr);
    ::_exit(1);
  }
  theirs = {};
  auto connection = DialPipe(MakeAddress(ours.Release())).value();
  EXPECT_EQ(connection->peer().medium, "pipe");
  for (uint32_t call = 0; call < 100; ++call) {
    ASSERT_TRUE(testing::Send(*connection, call, testing::Pattern(call, 9000)).ok());
    EXPECT_EQ(testing::Receive(*connection).value().payload, testing::Pattern(call, 9000));
  }
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(testing::ReceiveEnd(*connection).code(), absl::StatusCode::kUnavailable);
}

// Some programs give their children socket pairs.
TEST(Pipe, ASocketPairIsAsGood) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const auto address = [](int socket) {
    struct stat file;
    EXPECT_EQ(::fstat(socket, &file), 0);
    return MakeAddress(
        absl::StrCat("pipe:", socket, ",", socket, "?inodes=", file.st_ino, ",", file.st_ino));
  };
  auto listener = ListenPipe(address(ends[0])).value();
  auto server = testing::Accept(*listener).value();
  auto client = DialPipe(address(ends[1])).value();
  for (uint32_t call = 0; call < 10; ++call) {
    ASSERT_TRUE(testing::Send(*client, call, testing::Pattern(call, 9000)).ok());
    EXPECT_EQ(testing::Receive(*server).value().payload, testing::Pattern(call, 9000));
  }
  server->Close();
  EXPECT_EQ(testing::ReceiveEnd(*client).code(), absl::StatusCode::kUnavailable);
}

TEST(Pipe, ListensAtTheOtherEnds) {
  auto [ours, theirs] = MakePipes().value();
  auto listener = ListenPipe(MakeAddress(theirs.Release())).value();
  auto server = testing::Accept(*listener).value();
  EXPECT_EQ(listener->Accept().status().code(), absl::StatusCode::kOutOfRange);
  auto client = DialPipe(MakeAddress(ours.Release())).value();
  ASSERT_TRUE(testing::Send(*client, 1, "x").ok());
  EXPECT_EQ(testing::Receive(*server).value().payload, "x");
}

TEST(Pipe, AServerThatNobodyCanReachAnyMoreIsDone) {
  auto [ours, theirs] = MakePipes().value();
  Server server;
  ASSERT_EQ(server.Listen(theirs.Release()), absl::OkStatus());
  auto client = DialPipe(MakeAddress(ours.Release())).value();
  std::thread user([&] {
    EXPECT_TRUE(testing::Receive(*client).ok()) << "no hello";
    client.reset();
  });
  EXPECT_EQ(server.Run(), absl::OkStatus());
  user.join();
}

// A parent may forget to close what it has given to its child.
TEST(Pipe, EndsThatSomebodyElseHasOpenTooWakeNobodyWhenTheyAreOver) {
  auto [ours, theirs] = MakePipes().value();
  const UniqueFd in(::dup(theirs.in.get()));
  const UniqueFd out(::dup(theirs.out.get()));
  auto loop = std::make_shared<EventLoop>();
  Server server({.event_loop = loop});
  ASSERT_EQ(server.Listen(theirs.Release()), absl::OkStatus());
  ASSERT_EQ(server.Start(), absl::OkStatus());
  auto client = DialPipe(MakeAddress(ours.Release())).value();
  for (bool greeted = false; !greeted;) {
    loop->WaitAndPoll();
    pollfd hello = {.fd = client->Arm(Interest::kReceive).fd, .events = POLLIN, .revents = 0};
    greeted = ::poll(&hello, 1, 0) == 1;
  }
  client.reset();
  // Something to do now: the end. Then nothing, ever.
  constexpr int kPlenty = 1000;
  int turns = 0;
  pollfd to_do = {.fd = loop->fd(), .events = POLLIN, .revents = 0};
  for (; turns < kPlenty && ::poll(&to_do, 1, 0) == 1; ++turns) loop->Poll();
  EXPECT_GT(turns, 0);
  EXPECT_LT(turns, kPlenty);
}

TEST(Pipe, AddressesThatAreNoneAreRefused) {
  for (const char* text :
       {"pipe:5", "pipe:5,", "pipe:a,b", "pipe:5,6,7", "pipe:-1,6", "pipe:5,6?size=1"}) {
    EXPECT_EQ(DialPipe(MakeAddress(text)).status().code(), absl::StatusCode::kInvalidArgument)
        << text;
    EXPECT_EQ(ListenPipe(MakeAddress(text)).status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
}

TEST(Pipe, DescriptorsThatAreNoPipesSayWhichIsWrong) {
  const absl::Status closed = DialPipe(MakeAddress("pipe:901,902")).status();
  EXPECT_EQ(closed.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(closed.message()), HasSubstr("descriptor 901 is not open"));
  const UniqueFd file(::open("/dev/null", O_RDWR));
  const UniqueFd high(::fcntl(file.get(), F_DUPFD, 700));
  const absl::Status no_pipe =
      DialPipe(MakeAddress(absl::StrCat("pipe:", high.get(), ",", high.get() + 1))).status();
  EXPECT_EQ(no_pipe.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(no_pipe.message()), HasSubstr("is not the read end of a pipe"));
  EXPECT_GE(::fcntl(high.get(), F_GETFD), 0) << "it was closed";
  auto [ours, theirs] = MakePipes().value();
  // Numbers that no other test has used.
  const UniqueFd in(::fcntl(ours.out.get(), F_DUPFD, 800));
  const UniqueFd out(::fcntl(ours.in.get(), F_DUPFD, 810));
  const absl::Status swapped =
      DialPipe(MakeAddress(absl::StrCat("pipe:", in.get(), ",", out.get()))).status();
  EXPECT_EQ(swapped.code(), absl::StatusCode::kInvalidArgument);
}

// Behind the numbers there may be another pipe by then.
TEST(Pipe, ConnectsOnce) {
  auto [ours, theirs] = MakePipes().value();
  const std::string address = ours.Release();
  auto connection = DialPipe(MakeAddress(address)).value();
  connection.reset();
  const absl::Status again = DialPipe(MakeAddress(address)).status();
  EXPECT_EQ(again.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(again.message()), HasSubstr("a pipe connects once"));
  // They get the numbers that have become free.
  for (int i = 0; i < 3; ++i) {
    auto [mine, others] = MakePipes().value();
    EXPECT_EQ(DialPipe(MakeAddress(address)).status().code(), absl::StatusCode::kUnavailable)
        << "somebody else's pipes were taken";
    EXPECT_TRUE(DialPipe(MakeAddress(mine.Release())).ok()) << "new ones do";
  }
}

TEST(Pipe, WritingToNobodyRaisesNoSignal) {
  auto [ours, theirs] = MakePipes().value();
  auto connection = DialPipe(MakeAddress(ours.Release())).value();
  theirs = {};
  EXPECT_EQ(testing::Send(*connection, 1, "x").code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace nigh
