#include "nigh/transports/unix/unix.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/rendezvous/socket_name.h"
#include "tests/contract/frames.h"
#include "tests/transports/unix_fixture.h"

namespace nigh {
namespace {

using ::nigh::testing::MakeAddress;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using UnixTransport = testing::UnixFixture;

TEST_F(UnixTransport, TellsBothSidesWhoTheOtherIs) {
  auto listener = ListenUnix(address_).value();
  auto pair = testing::Connect(kUnixTransport, *listener).value();
  for (const Connection* connection : {pair.client.get(), pair.server.get()}) {
    EXPECT_EQ(connection->peer().address, text_);
    EXPECT_EQ(connection->peer().uid, ::getuid());
    EXPECT_EQ(connection->peer().gid, ::getgid());
    EXPECT_EQ(connection->peer().pid, ::getpid());
  }
}

TEST_F(UnixTransport, StaleSocketIsTakenOver) {
  LeaveStaleSocket();
  auto listener = ListenUnix(address_);
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(testing::Connect(kUnixTransport, **listener).ok());
}

TEST_F(UnixTransport, LiveServerIsRefusedAndUndisturbed) {
  auto first = ListenUnix(address_).value();
  EXPECT_EQ(ListenUnix(address_).status(),
            absl::AlreadyExistsError(absl::StrCat(
                text_, ": listen: a live server is there (stop it, or choose another path)")));
  EXPECT_EQ(first->Accept().value(), nullptr) << "the attempt showed up as a connection";
  EXPECT_TRUE(testing::Connect(kUnixTransport, *first).ok());
}

TEST_F(UnixTransport, ListenerRemovesItsFile) {
  { auto listener = ListenUnix(address_).value(); }
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
}

TEST_F(UnixTransport, ListenerLeavesTheFileOfASuccessor) {
  auto first = ListenUnix(address_).value();
  // Somebody was careless and removed the file of a live server.
  std::filesystem::remove(path_);
  auto second = ListenUnix(address_).value();
  first.reset();
  EXPECT_TRUE(testing::Connect(kUnixTransport, *second).ok());
}

TEST_F(UnixTransport, ListenerRemovesItsFileFromAnotherWorkingDirectory) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory_);
  auto listener = ListenUnix(MakeAddress("unix:server.sock")).value();
  std::filesystem::current_path(before);
  listener.reset();
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
}

TEST_F(UnixTransport, OneOfManyServersThatStartAtOnceWins) {
  for (int round = 0; round < 20; ++round) {
    LeaveStaleSocket();
    std::vector<absl::StatusOr<std::unique_ptr<Listener>>> listeners(8);
    std::vector<std::thread> servers;
    std::atomic<bool> start = false;
    for (auto& listener : listeners) {
      servers.emplace_back([&] {
        start.wait(false);
        listener = ListenUnix(address_);
      });
    }
    start = true;
    start.notify_all();
    for (std::thread& server : servers) server.join();
    int winners = 0;
    for (const auto& listener : listeners) {
      if (!listener.ok()) {
        EXPECT_EQ(listener.status().code(), absl::StatusCode::kAlreadyExists) << listener.status();
        continue;
      }
      ++winners;
      EXPECT_TRUE(testing::Connect(kUnixTransport, **listener).ok());
    }
    EXPECT_EQ(winners, 1);
  }
}

TEST_F(UnixTransport, OtherFilesAreNeverDeleted) {
  std::ofstream(path_) << "precious";
  const absl::Status status = ListenUnix(address_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              StartsWith(text_ + ": listen: a file that is not a socket is in the way"));
  EXPECT_EQ(std::filesystem::file_size(path_), 8u);
}

TEST_F(UnixTransport, MissingDirectoryIsNamed) {
  const absl::Status status = ListenUnix(MakeAddress(text_ + "/x/y.sock")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("No such file or directory (create the directory " + path_ + "/x"));
}

TEST_F(UnixTransport, LongestPathWorksAndALongerOneNamesTheLimit) {
  const std::string longest = path_ + std::string(107 - path_.size(), 'x');
  EXPECT_TRUE(ListenUnix(MakeAddress("unix:" + longest)).ok());
  for (const Transport& transport : {kUnixTransport, kUnixAbstractTransport}) {
    const Address address = MakeAddress(absl::StrCat(transport.scheme, ":", longest, "x"));
    for (const absl::Status& status :
         {transport.listen(address).status(), transport.dial(address).status()}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(std::string(status.message()), HasSubstr("108 bytes, the system allows 107"));
    }
  }
}

TEST_F(UnixTransport, UnknownParameterIsRefused) {
  EXPECT_EQ(DialUnix(MakeAddress(text_ + "?ring=1MiB")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(UnixTransport, NobodyThereIsUnavailable) {
  EXPECT_EQ(DialUnix(address_).status(),
            absl::UnavailableError(absl::StrCat(
                text_, ": connect: No such file or directory (is the server running?)")));
  LeaveStaleSocket();
  EXPECT_EQ(DialUnix(address_).status(),
            absl::UnavailableError(
                absl::StrCat(text_, ": connect: Connection refused (is the server running?)")));
}

TEST_F(UnixTransport, FullQueueIsUnavailable) {
  // A server that is stopped, with room for one connection in its queue.
  const UniqueFd server(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketName name = MakeSocketName(path_, SocketNameKind::kPath);
  ASSERT_EQ(::bind(server.get(), name.get(), name.size), 0);
  ASSERT_EQ(::listen(server.get(), 0), 0);
  const auto waiting = DialUnix(address_);
  ASSERT_TRUE(waiting.ok()) << waiting.status();
  const absl::Status status = DialUnix(address_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("queue of new connections is full"));
}

// Whoever may read the directory can.
TEST_F(UnixTransport, ALockThatSomebodyKeepsKeepsNobodyFromListening) {
  LeaveStaleSocket();
  const UniqueFd stranger(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(stranger.get(), LOCK_EX), 0);
  auto listener = ListenUnix(address_).value();
  EXPECT_TRUE(testing::Connect(kUnixTransport, *listener).ok());
}

TEST_F(UnixTransport, DialWaitsForAPlaceInAFullQueue) {
  const UniqueFd server(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketName name = MakeSocketName(path_, SocketNameKind::kPath);
  ASSERT_EQ(::bind(server.get(), name.get(), name.size), 0);
  ASSERT_EQ(::listen(server.get(), 0), 0);
  std::thread accepting([&] {
    while (UniqueFd(::accept(server.get(), nullptr, nullptr))) {
    }
  });
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(DialUnix(address_).ok());
  ::shutdown(server.get(), SHUT_RDWR);
  accepting.join();
}

TEST_F(UnixTransport, ClientsAreTurnedAwayWhenDescriptorsRunOut) {
  auto listener = ListenUnix(address_).value();
  auto client = DialUnix(address_).value();
  rlimit limit;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit few = {.rlim_cur = 64, .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<UniqueFd> all;
  do {
    all.emplace_back(::dup(STDIN_FILENO));
  } while (all.back());
  EXPECT_TRUE(absl::IsResourceExhausted(listener->Accept().status()));
  EXPECT_EQ(testing::ReceiveEnd(*client).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(listener->Accept().value(), nullptr) << "nobody else has come";
  EXPECT_FALSE(testing::Await(listener->Arm(), 0)) << "the listener would keep a poller busy";
  all.clear();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_TRUE(testing::Connect(kUnixTransport, *listener).ok());
}

TEST_F(UnixTransport, AbstractNameHasOneServer) {
  const Address address = MakeAddress("unix-abstract:" + path_);
  auto first = ListenUnixAbstract(address).value();
  EXPECT_EQ(ListenUnixAbstract(address).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(testing::Connect(kUnixAbstractTransport, *first).ok());
  first.reset();
  EXPECT_EQ(DialUnixAbstract(address).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(ListenUnixAbstract(address).ok());
}

}  // namespace
}  // namespace nigh
