// What was large stays while it is used, and goes a second or two after: messages of spare calls,
// buffers, bulk regions; in one process that is client and server.

#include <malloc.h>
#include <sched.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/runtime/loop/cooling.h"
#include "nigh/server.h"
#include "nigh/testing/virtual_clock.h"
#include "tests/hostile/hoarder.nigh.h"
#include "tests/support/temporary_folder.h"

namespace nigh::hostile {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kLong = 3 * kMiB;
// What else comes and goes: timers, tasks, what was allocated for the first calls.
constexpr size_t kSmall = size_t{64} << 10;

// A request with a branch is held. One at a time.
class EchoService final : public Hoarder::Service {
 public:
  // Before such a request is made.
  void ExpectOne() { one_ = std::make_unique<One>(); }
  void AwaitHeld() { one_->held.WaitForNotification(); }
  void Release() { one_->release.Notify(); }
  // Whether the call that is held has had a long request before.
  bool HeldHasHadALongOne() const { return one_->has_had_a_long_one; }

 private:
  struct One {
    absl::Notification held;
    absl::Notification release;
    bool has_had_a_long_one = false;
  };

  absl::Status Echo(ServerContext&, const Tree& request, Tree* reply) override {
    {
      MutexLock lock(mutex_);
      if (request.branches_size() != 0) one_->has_had_a_long_one = long_ones_.contains(&request);
      if (request.fruit().size() == kLong) long_ones_.insert(&request);
    }
    if (request.branches_size() != 0) {
      one_->held.Notify();
      one_->release.WaitForNotification();
    }
    *reply = request;
    return absl::OkStatus();
  }

  std::unique_ptr<One> one_;
  Mutex mutex_;
  // Calls that are kept for later requests keep their messages.
  std::set<const Tree*> long_ones_ ABSL_GUARDED_BY(mutex_);
};

// Bytes that the program has allocated.
size_t Allocated() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

// Bytes of shared memory that this process has mapped and that are there.
size_t Shared() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    size_t kib = 0;
    if (word == "RssShmem:" && status >> kib) return kib * 1024;
  }
  ADD_FAILURE() << "the kernel does not say";
  return 0;
}

class KeptMemoryTest : public ::testing::TestWithParam<const char*> {
 protected:
  KeptMemoryTest() {
    server_.Register(service_);
    const std::string address = absl::StrCat(GetParam(), folder_.PathOf("server"));
    EXPECT_TRUE(server_.Listen(address).ok());
    EXPECT_TRUE(server_.Start().ok());
    channel_ = Dial(address).value();
    // Whatever the first call makes is there from now on.
    Echo(1);
  }

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  void SetUp() override { GTEST_SKIP() << "what the sanitizer keeps cannot be told from it"; }
#endif

  // A call that is held until it is released.
  std::thread Hold(size_t size) {
    service_.ExpectOne();
    std::thread holds([this, size] { Echo(size, /*held=*/true); });
    service_.AwaitHeld();
    return holds;
  }
  void Echo(size_t size, bool held = false) {
    Tree request;
    if (held) request.add_branches();
    request.set_fruit(std::string(size, 'x'));
    Tree reply;
    ClientContext context;
    ASSERT_TRUE(Hoarder::Stub(channel_).Echo(context, request, &reply).ok());
    ASSERT_EQ(reply.fruit().size(), size);
  }
  // Time passes until `condition` is true. What is due at the server happens in its threads; a
  // channel lets go of its own with the next call. False: it has not become so.
  template <class Condition>
  bool BecomesTrue(Condition condition) {
    const int64_t patience = SteadyNanos() + 30'000'000'000;
    for (clock_.Advance(Cooling::kKeptFor); !condition(); ::sched_yield()) {
      if (SteadyNanos() > patience) return false;
      clock_.Advance(absl::Milliseconds(1));
      Echo(1);
    }
    return true;
  }

  const testing::TemporaryFolder folder_;
  testing::VirtualClock clock_;
  EchoService service_;
  Server server_;
  std::shared_ptr<Channel> channel_;
};

TEST_P(KeptMemoryTest, StaysWhileItIsUsedAndThenGoes) {
  const size_t allocated = Allocated();
  const size_t shared = Shared();
  const auto has_gone = [&] { return Allocated() < allocated + kMiB && Shared() < shared + kMiB; };
  for (int round = 0; round < 2; ++round) {
    for (int call = 0; call < 3; ++call) Echo(kLong);
    // The server's request and reply.
    EXPECT_GE(Allocated(), allocated + 2 * kLong - kSmall);
    // Short messages in the same calls do not hide it.
    Echo(1);
    EXPECT_TRUE(BecomesTrue(has_gone)) << Allocated() - allocated << ", " << Shared() - shared;
  }
}

// A call that has had large messages is away, with short ones, while the rest is let go of.
TEST_P(KeptMemoryTest, GoesWithACallThatWasAway) {
  const size_t allocated = Allocated();
  // Two calls at once, so both are long, and one of them is the next. But the server may have sent
  // both replies and not have put the calls away yet, and then the next one is a third.
  std::thread holds = Hold(kLong);
  Echo(kLong);
  do {
    service_.Release();
    holds.join();
    holds = Hold(1);
  } while (!service_.HeldHasHadALongOne());
  EXPECT_GE(Allocated(), allocated + 4 * kLong - kSmall);
  const auto is_alone = [&] { return Allocated() < allocated + 2 * kLong + kMiB; };
  EXPECT_TRUE(BecomesTrue(is_alone)) << Allocated() - allocated;
  EXPECT_GE(Allocated(), allocated + 2 * kLong - kSmall);
  service_.Release();
  holds.join();
  const auto has_gone = [&] { return Allocated() < allocated + kMiB; };
  EXPECT_TRUE(BecomesTrue(has_gone)) << Allocated() - allocated;
}

INSTANTIATE_TEST_SUITE_P(Over, KeptMemoryTest, ::testing::Values("shm:", "unix:"),
                         [](const auto& info) {
                           return std::string(info.param, std::string(info.param).size() - 1);
                         });

}  // namespace
}  // namespace nigh::hostile
