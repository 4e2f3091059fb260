// Unix sockets, shared memory that is met at one, and names of FIFOs and queues, between two users.
// Needs root, who alone can act as another, and no sandbox, which knows one user only.

#include <fcntl.h>
#include <mqueue.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/fifo/fifo.h"
#include "nigh/transports/mqueue/mqueue.h"
#include "nigh/transports/rendezvous/runtime_directory.h"
#include "nigh/transports/shm/shm.h"
#include "nigh/transports/sysvmq/sysvmq.h"
#include "nigh/transports/unix/unix.h"
#include "tests/contract/frames.h"
#include "tests/transports/unix_fixture.h"

namespace nigh {
namespace {

using ::nigh::testing::MakeAddress;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uid_t kNobody = 65534;

// What `action` returns when another user runs it, in a process of its own.
template <typename Action>
std::string AsNobody(Action action) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  UniqueFd from_child(ends[0]), to_parent(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) ::_exit(1);
    const std::string result = action();
    ::_exit(::write(to_parent.get(), result.data(), result.size()) < 0);
  }
  to_parent.reset();
  std::string result(4096, '\0');
  result.resize(std::max<ssize_t>(0, ::read(from_child.get(), result.data(), result.size())));
  ::waitpid(child, nullptr, 0);
  return result;
}

class UnixUsers : public testing::UnixFixture {
 protected:
  void SetUp() override {
    if (AsNobody([] { return std::to_string(::getuid()); }) != std::to_string(kNobody)) {
      GTEST_SKIP() << "only root can act as another user";
    }
  }
};

TEST_F(UnixUsers, DirectoryWithoutPermissionIsNamed) {
  const std::string status = AsNobody([&] { return ListenUnix(address_).status().ToString(); });
  EXPECT_EQ(status, absl::StrCat("PERMISSION_DENIED: ", text_,
                                 ": listen: Permission denied (this process may not create files "
                                 "in ",
                                 directory_, ")"));
}

TEST_F(UnixUsers, SocketOfAnotherUserIsLeftAlone) {
  LeaveStaleSocket();
  std::filesystem::permissions(directory_, std::filesystem::perms::all);
  std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
  const std::string status = AsNobody([&] { return ListenUnix(address_).status().ToString(); });
  EXPECT_EQ(status, absl::StrCat("PERMISSION_DENIED: ", text_,
                                 ": listen: Permission denied (the socket there belongs to another "
                                 "user)"));
  EXPECT_TRUE(std::filesystem::exists(path_));
}

// As su and sudo -E leave it: what root made in there would keep that user out.
TEST_F(UnixUsers, ADirectoryOfAnotherUserInTheEnvironmentIsNotUsed) {
  ::setenv("XDG_RUNTIME_DIR", directory_.c_str(), 1);
  const std::string there = directory_ + "/nigh/name";
  EXPECT_THAT(MeetingPaths("name", "local:name").value(), Contains(there));
  ASSERT_EQ(::chown(directory_.c_str(), kNobody, kNobody), 0);
  EXPECT_THAT(MeetingPaths("name", "local:name").value(), Not(Contains(there)));
  ::unsetenv("XDG_RUNTIME_DIR");
}

TEST_F(UnixUsers, TellsWhichUserTheClientIs) {
  auto listener = ListenUnix(address_).value();
  std::filesystem::permissions(directory_, std::filesystem::perms::all);
  std::filesystem::permissions(path_, std::filesystem::perms::all);
  EXPECT_EQ(AsNobody([&] {
              auto client = DialUnix(address_);
              return client.ok() ? absl::StrCat((*client)->peer().uid.value_or(kNobody)) : "";
            }),
            "0");
  auto server = testing::Accept(*listener).value();
  EXPECT_EQ(server->peer().uid, kNobody);
  EXPECT_EQ(server->peer().gid, kNobody);
}

// Towards another user there are no eventfds: whoever sleeps is woken by a letter.
TEST_F(UnixUsers, AnotherUserIsServedOverSharedMemory) {
  const Address address = MakeAddress("shm:" + path_);
  auto listener = ListenShm(address).value();
  std::filesystem::permissions(directory_, std::filesystem::perms::all);
  std::filesystem::permissions(path_, std::filesystem::perms::all);
  constexpr uint32_t kFrames = 3;
  std::thread echo([&] {
    auto server = testing::Accept(*listener).value();
    EXPECT_EQ(server->peer().uid, kNobody);
    for (uint32_t call = 0; call < kFrames; ++call) {
      const std::string payload = testing::Receive(*server).value().payload;
      EXPECT_EQ(payload, testing::Pattern(call, 10'000));
      EXPECT_TRUE(testing::Send(*server, call, payload).ok());
    }
    EXPECT_EQ(testing::ReceiveEnd(*server).code(), absl::StatusCode::kUnavailable);
  });
  EXPECT_EQ(AsNobody([&]() -> std::string {
              auto client = DialShm(address).value();
              for (uint32_t call = 0; call < kFrames; ++call) {
                const std::string payload = testing::Pattern(call, 10'000);
                if (!testing::Send(*client, call, payload).ok()) return "not sent";
                if (testing::Receive(*client).value().payload != payload) return "another payload";
              }
              return "echoed";
            }),
            "echoed");
  echo.join();
}

TEST_F(UnixUsers, MemoryOfAnotherUserThatIsNotSealedIsRefused) {
  auto listener = ListenShm(MakeAddress("shm:" + path_)).value();
  std::filesystem::permissions(directory_, std::filesystem::perms::all);
  std::filesystem::permissions(path_, std::filesystem::perms::all);
  for (const char* memory : {"posix", "sysv"}) {
    const Address address = MakeAddress(absl::StrCat("shm:", path_, "?memory=", memory));
    EXPECT_EQ(AsNobody([&] { return std::string(DialShm(address).ok() ? "dialled" : "not"); }),
              "dialled");
    auto server = testing::Accept(*listener).value();
    const absl::Status end = testing::ReceiveEnd(*server);
    EXPECT_EQ(end.code(), absl::StatusCode::kInternal) << end;
    EXPECT_THAT(std::string(end.message()),
                HasSubstr(absl::StrCat("another user and offers ", memory, " memory")));
  }
}

// Whoever makes a FIFO, a queue or a file where a server will listen could read what arrives there.
TEST_F(UnixUsers, NamesThatAnotherUserHasMadeAreNotListenedAt) {
  std::filesystem::permissions(directory_, std::filesystem::perms::all);
  const std::string queue = absl::StrCat("/nigh-users-test-", ::getpid());
  const std::string file = path_ + ".file";
  ASSERT_EQ(AsNobody([&] {
              ::umask(0);
              const bool made = ::mkfifo(path_.c_str(), 0666) == 0 &&
                                ::mq_open(queue.c_str(), O_CREAT | O_RDWR, 0666, nullptr) >= 0 &&
                                ::open(file.c_str(), O_CREAT | O_RDWR, 0666) >= 0;
              return std::string(made ? "made" : "not");
            }),
            "made");
  for (const absl::Status& status : {ListenFifo(MakeAddress("fifo:" + path_)).status(),
                                     ListenMqueue(MakeAddress("mqueue:" + queue)).status(),
                                     ListenSysvmq(MakeAddress("sysvmq:" + file)).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("belongs to another user"));
  }
  ::mq_unlink(queue.c_str());
}

}  // namespace
}  // namespace nigh
