// Watches of names that share the process's one instance of inotify.

#include "nigh/transports/rendezvous/name_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/event_loop.h"
#include "nigh/server.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/unix/unix.h"
#include "tests/contract/frames.h"
#include "tests/support/descriptors.h"
#include "tests/support/run_in_child.h"
#include "tests/support/temporary_folder.h"

namespace nigh::testing {
namespace {

// More than a user has instances of inotify, as a rule.
constexpr int kMany = 300;

// How many instances of inotify this process has.
int Instances() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<int>(std::count_if(begin(all), end(all), [](const auto& descriptor) {
    std::error_code closed_meanwhile;
    return std::filesystem::read_symlink(descriptor, closed_meanwhile) == "anon_inode:inotify";
  }));
}

int Threads() {
  const std::filesystem::directory_iterator all("/proc/self/task");
  return static_cast<int>(std::distance(begin(all), end(all)));
}

bool IsReadable(int fd) {
  pollfd polled = {.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&polled, 1, 0) == 1;
}

class NameWatchTest : public ::testing::Test {
 protected:
  std::string MakeFile(int i) const {
    std::string path = folder_.PathOf(absl::StrCat(i));
    const std::ofstream file(path);
    return path;
  }

  const TemporaryFolder folder_;
  const int descriptors_ = OpenDescriptors();
};

TEST_F(NameWatchTest, ManyHaveOneInstanceAndLeaveNothing) {
  const int threads = Threads();
  std::vector<NameWatch> watches;
  for (int i = 0; i < kMany; ++i) {
    watches.push_back(NameWatch::OfPath(MakeFile(i)));
    ASSERT_GE(watches.back().fd(), 0) << i;
    EXPECT_TRUE(watches.back().Stirred());
  }
  EXPECT_EQ(Instances(), 1);
  EXPECT_EQ(Threads(), threads);
  watches.clear();
  EXPECT_EQ(OpenDescriptors(), descriptors_);
}

TEST_F(NameWatchTest, EachIsToldOfItsOwnNameAlone) {
  std::vector<NameWatch> watches;
  for (int i = 0; i < kMany; ++i) watches.push_back(NameWatch::OfPath(MakeFile(i)));
  for (NameWatch& watch : watches) EXPECT_TRUE(watch.Stirred());
  NameWatch& reader = watches.front();
  for (int gone = kMany - 1; gone > 0; --gone) {
    ASSERT_EQ(::unlink(folder_.PathOf(absl::StrCat(gone)).c_str()), 0);
    ASSERT_TRUE(IsReadable(reader.fd()));
    EXPECT_FALSE(reader.Stirred());
    for (int i = 0; i < kMany; ++i) EXPECT_EQ(IsReadable(watches[i].fd()), i == gone) << i;
    EXPECT_TRUE(watches[gone].Stirred());
    EXPECT_FALSE(IsReadable(watches[gone].fd()));
  }
}

TEST_F(NameWatchTest, OthersReadOnceTheFirstOnesAreGone) {
  std::vector<NameWatch> first;
  for (int i = 0; i < kMany; ++i) first.push_back(NameWatch::OfPath(MakeFile(i)));
  NameWatch last = NameWatch::OfPath(MakeFile(kMany));
  EXPECT_TRUE(last.Stirred());
  first.clear();
  EXPECT_FALSE(IsReadable(last.fd()));
  ASSERT_EQ(::unlink(folder_.PathOf(absl::StrCat(kMany)).c_str()), 0);
  EXPECT_TRUE(IsReadable(last.fd()));
  EXPECT_TRUE(last.Stirred());
}

TEST_F(NameWatchTest, TwoOfOneObjectAreBothTold) {
  const std::string path = MakeFile(0);
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  NameWatch one = NameWatch::OfPath(path);
  std::optional<NameWatch> other(NameWatch::OfObject(file.get()));
  EXPECT_TRUE(one.Stirred());
  EXPECT_TRUE(other->Stirred());
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  EXPECT_TRUE(one.Stirred());
  EXPECT_TRUE(other->Stirred());
  other.reset();
  ASSERT_EQ(::unlink(path.c_str()), 0);
  EXPECT_TRUE(one.Stirred());
}

TEST_F(NameWatchTest, MoreEventsThanTheKernelKeepsStirAll) {
  std::string limit;
  std::getline(std::ifstream("/proc/sys/fs/inotify/max_queued_events"), limit);
  NameWatch one = NameWatch::OfPath(MakeFile(0));
  NameWatch other = NameWatch::OfPath(MakeFile(1));
  NameWatch lost = NameWatch::OfPath(MakeFile(2));
  for (NameWatch* watch : {&one, &other, &lost}) EXPECT_TRUE(watch->Stirred());
  // In turn, for the kernel makes one event of two that follow each other and are the same.
  for (int i = 0; i < std::stoi(limit); ++i) {
    ASSERT_EQ(::chmod(folder_.PathOf(absl::StrCat(i % 2)).c_str(), 0600), 0);
  }
  ASSERT_EQ(::unlink(folder_.PathOf("2").c_str()), 0);
  EXPECT_TRUE(one.Stirred());
  EXPECT_TRUE(lost.Stirred());
}

TEST_F(NameWatchTest, AChildHasAnInstanceOfItsOwn) {
  const std::string path = MakeFile(0);
  std::optional<NameWatch> parents(NameWatch::OfPath(path));
  EXPECT_TRUE(parents->Stirred());
  RunInChild([&] {
    const std::string own_path = MakeFile(1);
    NameWatch own = NameWatch::OfPath(own_path);
    EXPECT_TRUE(own.Stirred());
    EXPECT_EQ(Instances(), 1);
    parents.reset();
    ASSERT_EQ(::unlink(own_path.c_str()), 0);
    EXPECT_TRUE(own.Stirred());
  });
  EXPECT_FALSE(parents->Stirred());
  ASSERT_EQ(::unlink(path.c_str()), 0);
  EXPECT_TRUE(IsReadable(parents->fd()));
  EXPECT_TRUE(parents->Stirred());
}

TEST_F(NameWatchTest, WithoutDescriptorsThereIsNoneAndLaterThereIs) {
  const std::string path = MakeFile(0);
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  // Enough for the watch's own two descriptors.
  const UniqueFd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const rlimit few = {static_cast<rlim_t>(next.get() + 3), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  NameWatch without = NameWatch::OfPath(path);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(without.fd(), -1);
  EXPECT_FALSE(without.Stirred());
  EXPECT_EQ(OpenDescriptors(), descriptors_ + 1);
  NameWatch with = NameWatch::OfPath(path);
  EXPECT_GE(with.fd(), 0);
  EXPECT_TRUE(with.Stirred());
}

// Threads that make watches, lose names and let go of watches beside each other.
TEST_F(NameWatchTest, ThreadsWatchBesideEachOther) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([this, thread] {
      for (int i = 0; i < 50; ++i) {
        const std::string path = MakeFile(thread);
        NameWatch watch = NameWatch::OfPath(path);
        ASSERT_GE(watch.fd(), 0);
        EXPECT_TRUE(watch.Stirred());
        ASSERT_EQ(::unlink(path.c_str()), 0);
        // Whether this thread reads it or another one.
        while (!watch.Stirred()) IsReadable(watch.fd());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(OpenDescriptors(), descriptors_);
}

class ServerOfManyNames : public NameWatchTest {
 protected:
  // A server at many addresses. It tells `lost` of each that it loses, and listens there again.
  void Listen(ServerOptions options, std::latch& lost) {
    options.transports = {&kUnixTransport, 1};
    options.on_error = [&lost](const absl::Status& error) {
      EXPECT_EQ(error.code(), absl::StatusCode::kNotFound) << error;
      lost.count_down();
    };
    server_.emplace(std::move(options));
    for (int i = 0; i < kMany; ++i) {
      ASSERT_EQ(server_->Listen(absl::StrCat("unix:", PathOf(i))), absl::OkStatus());
    }
    EXPECT_EQ(Instances(), 1);
    ASSERT_EQ(server_->Start(), absl::OkStatus());
  }
  void RemoveAll() const {
    for (int i = 0; i < kMany; ++i) ASSERT_EQ(::unlink(PathOf(i).c_str()), 0);
  }
  void ExpectReachable() const {
    for (int i = 0; i < kMany; ++i) {
      const Address address = MakeAddress(absl::StrCat("unix:", PathOf(i)));
      EXPECT_EQ(kUnixTransport.dial(address).status(), absl::OkStatus());
    }
  }
  std::string PathOf(int i) const { return folder_.PathOf(absl::StrCat(i)); }

  std::optional<Server> server_;
};

TEST_F(ServerOfManyNames, NoticesThatEachIsGone) {
  const int threads = Threads();
  std::latch lost(kMany);
  ASSERT_NO_FATAL_FAILURE(Listen({.pollers = 3}, lost));
  RemoveAll();
  lost.wait();
  server_->Shutdown(absl::ZeroDuration());
  server_.reset();
  EXPECT_EQ(OpenDescriptors(), descriptors_);
  // One that has been joined is in /proc a moment longer.
  while (Threads() > threads) std::this_thread::yield();
}

// Sets of epoll(7), nested as deep as they may be in a program: of a watch, of a poller, of the
// program's loop. The kernel limits in how many ways a descriptor may be part of such.
TEST_F(ServerOfManyNames, NoticesItInTheProgramsOwnLoop) {
  {
    const auto loop = std::make_shared<EventLoop>();
    const UniqueFd programs(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event event = {.events = EPOLLIN, .data = {}};
    ASSERT_EQ(::epoll_ctl(programs.get(), EPOLL_CTL_ADD, loop->fd(), &event), 0);
    std::latch lost(kMany);
    ASSERT_NO_FATAL_FAILURE(Listen({.event_loop = loop}, lost));
    // From now on nobody looks at a name before its watch says so.
    while (::epoll_wait(programs.get(), &event, 1, 0) > 0) loop->Poll();
    RemoveAll();
    while (!lost.try_wait()) {
      (void)::epoll_wait(programs.get(), &event, 1, -1);
      loop->Poll();
    }
    ExpectReachable();
    server_.reset();
  }
  EXPECT_EQ(OpenDescriptors(), descriptors_);
}

}  // namespace
}  // namespace nigh::testing
