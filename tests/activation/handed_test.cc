// Servers at sockets that listen already: what they speak there, and one server after the other.

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "examples/greeter/greeter.h"
#include "examples/greeter/hello.nigh.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/server.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/shm/offer.h"
#include "tests/support/temporary_folder.h"

namespace nigh {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

UniqueFd ListenAtPath(int type, const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(::listen(socket.get(), 8), 0);
  return socket;
}

UniqueFd ListenAtLoopback() {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(::listen(socket.get(), 8), 0);
  return socket;
}

std::string AddressOf(const UniqueFd& socket) { return absl::StrCat("fd:", socket.get()); }

// A server at these addresses.
class Host {
 public:
  explicit Host(const std::vector<std::string>& addresses) {
    server_.Register(greeter_);
    for (const std::string& address : addresses) {
      EXPECT_EQ(server_.Listen(address), absl::OkStatus());
    }
    EXPECT_EQ(server_.Start(), absl::OkStatus());
  }
  ~Host() { server_.Shutdown(absl::Seconds(10)); }
  std::vector<std::string> addresses() const { return server_.addresses(); }

 private:
  GreeterImpl greeter_;
  Server server_;
};

absl::Status Listen(const std::string& address) { return Server().Listen(address); }

absl::StatusOr<std::string> Greet(const helloworld::Greeter::Stub& stub) {
  helloworld::HelloRequest request;
  request.set_name("ann");
  absl::StatusOr<helloworld::HelloReply> reply =
      stub.SayHello(request, {.timeout = absl::Minutes(1), .wait_for_ready = true});
  if (!reply.ok()) return reply.status();
  return reply->message();
}

// Calls whoever serves at `address`, and says over which medium.
std::string MediumTo(const std::string& address) {
  const absl::StatusOr<std::shared_ptr<Channel>> channel = Dial(address);
  if (!channel.ok()) return std::string(channel.status().message());
  const absl::StatusOr<std::string> greeting = Greet(helloworld::Greeter::Stub(*channel));
  EXPECT_EQ(greeting.value_or(""), "hello ann") << greeting.status();
  return (*channel)->peer().medium;
}

TEST(Handed, TheSocketSaysWhatIsSpokenThere) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() + "/socket";
  const UniqueFd stream = ListenAtPath(SOCK_STREAM, path);
  const UniqueFd packets = ListenAtPath(SOCK_SEQPACKET, path + ".shm");
  const UniqueFd loopback = ListenAtLoopback();
  const Host host({AddressOf(stream), AddressOf(packets), AddressOf(loopback)});
  ASSERT_THAT(host.addresses(),
              ElementsAre("unix:" + path, "shm:" + path + ".shm", HasSubstr("tcp://127.0.0.1:")));
  EXPECT_EQ(MediumTo(host.addresses()[0]), "Unix socket");
  EXPECT_EQ(MediumTo(host.addresses()[1]), "shared memory");
  EXPECT_EQ(MediumTo(host.addresses()[2]), "TCP");
}

TEST(Handed, WhoDialsLocalGetsSharedMemory) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() + "/socket";
  const UniqueFd stream = ListenAtPath(SOCK_STREAM, path);
  const UniqueFd packets = ListenAtPath(SOCK_SEQPACKET, absl::StrCat(path, ".shm", kOfferVersion));
  const Host host({AddressOf(stream), AddressOf(packets)});
  EXPECT_EQ(MediumTo("local:" + path), "shared memory");
}

// As of the sockets that nigh makes itself: descriptors come where they are asked for alone.
TEST(Handed, NobodySendsDescriptorsBeforeTheyAreWanted) {
  const testing::TemporaryFolder folder;
  const UniqueFd stream = ListenAtPath(SOCK_STREAM, folder.path() + "/socket");
  constexpr int kPassRights = 83;  // SO_PASSRIGHTS of Linux 6.16
  int passes = 1;
  socklen_t size = sizeof(passes);
  if (::getsockopt(stream.get(), SOL_SOCKET, kPassRights, &passes, &size) != 0) {
    GTEST_SKIP() << "the kernel cannot be told so";
  }
  const Host host({AddressOf(stream)});
  ASSERT_EQ(::getsockopt(stream.get(), SOL_SOCKET, kPassRights, &passes, &size), 0);
  EXPECT_EQ(passes, 0);
}

TEST(Handed, OneServerFollowsTheOtherAndNoCallIsLost) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() + "/socket";
  for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
    const std::string file = absl::StrCat(path, type);
    const UniqueFd socket = ListenAtPath(type, file);
    const std::string address = absl::StrCat(type == SOCK_STREAM ? "unix:" : "shm:", file);
    const std::shared_ptr<Channel> channel = *Dial(address);
    const helloworld::Greeter::Stub stub(channel);
    std::atomic<int> served = 0;
    std::atomic<bool> stop = false;
    // The first of them waits for the first server.
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i) {
      callers.emplace_back([&] {
        while (!stop) {
          const absl::StatusOr<std::string> greeting = Greet(stub);
          ASSERT_TRUE(greeting.ok()) << greeting.status();
          ++served;
        }
      });
    }
    for (int round = 0; round < 10; ++round) {
      const int before = served;
      const Host host({AddressOf(socket)});
      while (served < before + 20 && !HasFailure()) std::this_thread::yield();
    }
    stop = true;
    const Host last({AddressOf(socket)});
    for (std::thread& caller : callers) caller.join();
  }
}

TEST(Handed, WhatIsNoListeningSocketIsRefused) {
  const testing::TemporaryFolder folder;
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd in(ends[0]), out(ends[1]);
  const UniqueFd silent(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  for (const auto& [fd, why] :
       std::vector<std::pair<int, std::string>>{{in.get(), "is no socket"},
                                                {silent.get(), "is a socket that does not listen"},
                                                {12'345, "is not open"}}) {
    const absl::Status refused = Listen(absl::StrCat("fd:", fd));
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(refused.message(), HasSubstr(absl::StrCat("descriptor ", fd, " ", why)));
  }
  EXPECT_THAT(Listen("fd:three").message(),
              HasSubstr("use the number of a descriptor, as in fd:3"));
  EXPECT_THAT(Listen("fd:").message(), HasSubstr("nothing follows its scheme"));
}

TEST(Handed, NothingIsHandedOver) {
  ::unsetenv("LISTEN_FDS");
  EXPECT_EQ(Listen("systemd:").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Listen("systemd:").message(), HasSubstr("LISTEN_FDS is not set"));
  ::setenv("LISTEN_FDS", "1", 1);
  ::setenv("LISTEN_PID", "1", 1);
  EXPECT_THAT(Listen("systemd:").message(), HasSubstr("sockets were handed to process 1"));
  ::setenv("LISTEN_PID", absl::StrCat(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDNAMES", "web", 1);
  EXPECT_THAT(Listen("systemd:greeter").message(),
              HasSubstr("no socket of that name was handed over, but web"));
  ::unsetenv("LISTEN_FDS");
  ::unsetenv("LISTEN_PID");
  ::unsetenv("LISTEN_FDNAMES");
}

TEST(Handed, NobodyDialsThem) {
  for (const std::string address : {"systemd:", "systemd:greeter", "fd:3"}) {
    const absl::StatusOr<std::shared_ptr<Channel>> channel = Dial(address);
    ASSERT_TRUE(channel.ok());
    const absl::Status status =
        helloworld::Greeter::Stub(*channel).SayHello(helloworld::HelloRequest()).status();
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(status.message(), HasSubstr("is for servers"));
  }
}

}  // namespace
}  // namespace nigh
