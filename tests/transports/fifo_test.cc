#include "nigh/transports/fifo/fifo.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/rendezvous/arrival.h"
#include "tests/contract/frames.h"
#include "tests/support/temporary_folder.h"

namespace nigh {
namespace {

using ::testing::HasSubstr;
using testing::MakeAddress;

class FifoTest : public ::testing::Test {
 protected:
  std::ptrdiff_t Files() const {
    return std::distance(std::filesystem::directory_iterator(folder_.path()),
                         std::filesystem::directory_iterator());
  }
  void Scribble(absl::string_view bytes) const {
    const UniqueFd arrivals(::open(path_.c_str(), O_WRONLY | O_NONBLOCK));
    ASSERT_EQ(::write(arrivals.get(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }
  static void ExpectServes(Listener& listener) {
    const auto pair = testing::Connect(kFifoTransport, listener).value();
    EXPECT_EQ(testing::Exchange(*pair.client, *pair.server), absl::OkStatus());
  }

  const testing::TemporaryFolder folder_;
  const std::string path_ = folder_.PathOf("server");
  const Address address_ = MakeAddress("fifo:" + path_);
};

TEST_F(FifoTest, IsThisUsersAloneAndLeavesOneFile) {
  auto listener = ListenFifo(address_).value();
  auto client = DialFifo(address_).value();
  EXPECT_EQ(Files(), 3);
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    struct stat file;
    ASSERT_EQ(::lstat(entry.path().c_str(), &file), 0);
    EXPECT_TRUE(S_ISFIFO(file.st_mode));
    EXPECT_EQ(file.st_mode & 0777, 0600u) << entry.path();
  }
  auto server = testing::Accept(*listener).value();
  EXPECT_EQ(Files(), 1) << "names are left that others might open";
  EXPECT_EQ(client->peer().uid, ::geteuid());
  EXPECT_EQ(server->peer().uid, ::geteuid());
  EXPECT_EQ(server->peer().pid, std::nullopt) << "the kernel does not tell";
  listener.reset();
  EXPECT_EQ(Files(), 0);
}

TEST_F(FifoTest, ManyClientsWaitAtOnce) {
  auto listener = ListenFifo(address_).value();
  std::vector<std::unique_ptr<Connection>> clients;
  for (uint32_t i = 0; i < 50; ++i) {
    clients.push_back(DialFifo(address_).value());
    // Before the server has come.
    ASSERT_TRUE(testing::Send(*clients.back(), i, testing::Pattern(i, 100)).ok());
  }
  for (uint32_t i = 0; i < 50; ++i) {
    auto server = testing::Accept(*listener).value();
    EXPECT_EQ(testing::Receive(*server).value().payload, testing::Pattern(i, 100));
  }
  EXPECT_EQ(Files(), 1);
}

TEST_F(FifoTest, GarbageAmongArrivalsIsPassedOver) {
  auto listener = ListenFifo(address_).value();
  for (const std::string& garbage :
       {std::string("x"), std::string("GET / HTTP/1.1\r\n\r\n"), std::string(1000, '\0'),
        std::string("nigh arr"), std::string(35, 'n')}) {
    Scribble(garbage);
    EXPECT_EQ(listener->Accept().value(), nullptr);
    ExpectServes(*listener);
  }
}

// A token cannot name another file, and one that names nothing is nobody.
TEST_F(FifoTest, ArrivalsOfNobodyAreNobody) {
  auto listener = ListenFifo(address_).value();
  Arrival arrival = Arrival::OfThisProcess();
  const auto announce = [&] {
    Scribble(arrival.Encode());
    EXPECT_EQ(listener->Accept().value(), nullptr);
  };
  announce();
  arrival.token = "../../etc/passwd";
  announce();
  // Files that are no FIFOs.
  arrival.token = "0123456789abcdef";
  const UniqueFd file(
      ::open(absl::StrCat(path_, ".", arrival.token, ".s").c_str(), O_CREAT | O_RDWR, 0600));
  announce();
  ExpectServes(*listener);
}

TEST_F(FifoTest, AClientThatGoesBeforeItIsMetLeavesNothing) {
  auto listener = ListenFifo(address_).value();
  { auto client = DialFifo(address_).value(); }
  EXPECT_EQ(listener->Accept().value(), nullptr);
  EXPECT_EQ(Files(), 1);
}

TEST_F(FifoTest, AServerThatGoesBeforeItMeetsIsUnavailable) {
  auto listener = ListenFifo(address_).value();
  auto client = DialFifo(address_).value();
  listener.reset();
  const absl::Status end = testing::ReceiveEnd(*client);
  EXPECT_EQ(end.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(end.message()), HasSubstr(": connect: the peer closed the connection"));
  client.reset();
  EXPECT_EQ(Files(), 0);
}

TEST_F(FifoTest, AStaleFifoIsTakenOverWithNothingInIt) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const absl::Status nobody = DialFifo(address_).status();
  EXPECT_EQ(nobody.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(nobody.message()), HasSubstr("is the server running?"));
  auto listener = ListenFifo(address_).value();
  ExpectServes(*listener);
  EXPECT_EQ(ListenFifo(address_).status().code(), absl::StatusCode::kAlreadyExists);
}

// As when one server takes over from another, whose own goes at any moment.
TEST_F(FifoTest, AFifoThatGoesAsItIsOpenedIsMadeAnew) {
  // While another name is watched, watching one more takes microseconds; ending the last watch of a
  // process takes some 10 ms.
  const auto watched = ListenFifo(MakeAddress(address_.ToString() + ".watched")).value();
  std::atomic<bool> over = false;
  std::thread other([&] {
    while (!over) {
      (void)::mkfifo(path_.c_str(), 0600);
      (void)::unlink(path_.c_str());
    }
  });
  for (int i = 0; i < 2000; ++i) {
    const absl::Status listens = ListenFifo(address_).status();
    // It may be taken away again and again.
    EXPECT_TRUE(listens.ok() || absl::IsUnavailable(listens)) << listens;
  }
  over = true;
  other.join();
}

TEST_F(FifoTest, ALinkThatLeadsNowhereIsNoPlace) {
  ASSERT_EQ(::symlink((path_ + ".elsewhere").c_str(), path_.c_str()), 0);
  EXPECT_FALSE(ListenFifo(address_).ok());
}

TEST_F(FifoTest, WhatAClientMayBeAboutToOpenIsNotSwept) {
  const std::string left = path_ + ".0123456789abcdef";
  for (const char* half : {".c", ".s"}) {
    ASSERT_EQ(::mkfifo((left + half).c_str(), 0600), 0);
  }
  // Others, which only look alike.
  ASSERT_EQ(::mkfifo((path_ + ".0123456789abcdeg.c").c_str(), 0600), 0);
  auto listener = ListenFifo(address_).value();
  // Too young to be a killed client's; the names of FIFOs cannot be made older.
  EXPECT_EQ(Files(), 4);
}

TEST_F(FifoTest, AnotherFileInTheWayIsLeftAlone) {
  const UniqueFd file(::open(path_.c_str(), O_CREAT | O_RDWR, 0600));
  const absl::Status refused = ListenFifo(address_).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("not a FIFO is in the way"));
  EXPECT_EQ(DialFifo(address_).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Files(), 1);
}

TEST_F(FifoTest, ErrorsSayWhatToDo) {
  const Address nowhere = MakeAddress("fifo:" + folder_.PathOf("no/such/folder"));
  EXPECT_THAT(std::string(ListenFifo(nowhere).status().message()),
              HasSubstr("No such file or directory"));
  EXPECT_EQ(DialFifo(MakeAddress("fifo:/x?size=1")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace nigh
