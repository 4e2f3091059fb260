#include "nigh/transports/local/local.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "tests/contract/frames.h"
#include "tests/support/temporary_folder.h"

namespace nigh {
namespace {

using ::nigh::testing::MakeAddress;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class LocalTransport : public ::testing::Test {
 protected:
  Address AddressWith(absl::string_view parameters) const {
    return MakeAddress(absl::StrCat("local:", path_, parameters));
  }
  // A connection between a client and a server that were given these parameters.
  testing::ConnectionPair Connect(absl::string_view client, absl::string_view server) {
    auto listener = ListenLocal(AddressWith(server)).value();
    testing::ConnectionPair pair;
    pair.client = DialLocal(AddressWith(client)).value();
    pair.server = testing::Accept(*listener).value();
    EXPECT_EQ(testing::Exchange(*pair.client, *pair.server), absl::OkStatus());
    return pair;
  }

  const testing::TemporaryFolder folder_;
  const std::string path_ = folder_.PathOf("server");
};

TEST_F(LocalTransport, IsSharedMemoryWhereBothSidesCan) {
  const auto pair = Connect("", "");
  EXPECT_EQ(pair.client->peer().medium, "shared memory");
  EXPECT_EQ(pair.server->peer().medium, "shared memory");
  EXPECT_EQ(pair.client->peer().address, "local:" + path_);
  EXPECT_EQ(pair.client->peer().uid, ::getuid());
}

TEST_F(LocalTransport, StaysOnTheSocketWhenTheClientWantsIt) {
  const auto pair = Connect("?shm=off", "");
  EXPECT_EQ(pair.client->peer().medium,
            "Unix socket, without shared memory: this side's address says shm=off");
  EXPECT_EQ(pair.server->peer().medium,
            "Unix socket, without shared memory: the client came without");
  EXPECT_EQ(pair.server->peer().uid, ::getuid());
}

TEST_F(LocalTransport, StaysOnTheSocketWhenTheServerWantsIt) {
  const auto pair = Connect("", "?shm=off");
  EXPECT_EQ(pair.client->peer().medium,
            "Unix socket, without shared memory: the server does not offer it");
  EXPECT_EQ(pair.server->peer().medium,
            "Unix socket, without shared memory: this side's address says shm=off");
}

// Files may not grow to the size of a ring: memory cannot be made.
class WithoutMemory {
 public:
  WithoutMemory() {
    ::signal(SIGXFSZ, SIG_IGN);
    EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &before_), 0);
    const rlimit small = {.rlim_cur = 4096, .rlim_max = before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  }
  ~WithoutMemory() { EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before_), 0); }

 private:
  rlimit before_;
};

TEST_F(LocalTransport, StaysOnTheSocketWhenTheServerCannotMakeMemory) {
  std::unique_ptr<Listener> listener;
  {
    const WithoutMemory limit;
    listener = ListenLocal(AddressWith("")).value();
  }
  auto client = DialLocal(AddressWith("")).value();
  auto server = testing::Accept(*listener).value();
  EXPECT_THAT(server->peer().medium,
              StartsWith("Unix socket, without shared memory: shared memory: fallocate: File too"));
  EXPECT_THAT(client->peer().medium, HasSubstr("the server does not offer it"));
}

TEST_F(LocalTransport, StaysOnTheSocketWhenTheClientCannotMakeMemory) {
  auto listener = ListenLocal(AddressWith("")).value();
  std::unique_ptr<Connection> client;
  {
    const WithoutMemory limit;
    client = DialLocal(AddressWith("")).value();
  }
  EXPECT_THAT(client->peer().medium, HasSubstr("fallocate: File too large"));
  ASSERT_TRUE(testing::Send(*client, 1, "x").ok());
  // The server sees one who came for shared memory and went, and one who stays.
  std::unique_ptr<Connection> server;
  do {
    server = testing::Accept(*listener).value();
  } while (server->peer().medium == "shared memory");
  EXPECT_EQ(testing::Receive(*server).value().payload, "x");
}

TEST_F(LocalTransport, LeavesNoFile) {
  Connect("", "");
  Connect("?shm=off", "?shm=off");
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(LocalTransport, RefusesOtherParameters) {
  for (const char* parameters : {"?shm=maybe", "?ring=1MiB"}) {
    const absl::Status refused = DialLocal(AddressWith(parameters)).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << refused;
    EXPECT_EQ(ListenLocal(AddressWith(parameters)).status(), refused);
  }
}

TEST_F(LocalTransport, NobodyThereNamesTheSocket) {
  const absl::Status nobody = DialLocal(AddressWith("")).status();
  EXPECT_EQ(nobody.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(nobody.message()),
              HasSubstr(path_ + ": connect: No such file or directory (is the server running?)"));
}

}  // namespace
}  // namespace nigh
