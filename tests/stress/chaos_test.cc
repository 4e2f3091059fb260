// Many threads make random calls of every kind at once, cancel them, let their deadlines pass, stop
// in their middle and take channels away, while servers come and go. No answer may be a wrong one,
// every call must end, and every end must be one that the circumstances allow.
//
// The seed is printed; --seed repeats a run as far as threads allow.

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/deadline.h"
#include "nigh/server.h"
#include "tests/stress/chaos.nigh.h"

namespace nigh {
namespace {

using stress::Chaos;
using stress::Parcel;

constexpr int kThreads = 6;
constexpr int kCallsPerThread = 400;

class ChaosImpl final : public Chaos::Service {
  absl::Status Echo(ServerContext&, const Parcel& request, Parcel* reply) override {
    Hold(request);
    if (request.fail()) return absl::AbortedError(absl::StrCat(request.number()));
    *reply = request;
    return absl::OkStatus();
  }

  absl::Status Repeat(ServerContext&, const Parcel& request,
                      ServerWriter<Parcel>& replies) override {
    Hold(request);
    Parcel reply = request;
    for (uint32_t i = 0; i < request.times(); ++i) {
      reply.set_number(request.number() + i);
      if (!replies.Write(reply)) return absl::CancelledError("nobody listens");
    }
    return request.fail() ? absl::AbortedError(absl::StrCat(request.number())) : absl::OkStatus();
  }

  absl::Status Sum(ServerContext&, ServerReader<Parcel>& requests, Parcel* reply) override {
    uint64_t sum = 0;
    while (std::optional<Parcel> request = requests.Read()) {
      sum += request->number();
      if (request->fail()) return absl::AbortedError(absl::StrCat(request->number()));
    }
    reply->set_number(sum);
    return absl::OkStatus();
  }

  absl::Status Chat(ServerContext&, ServerStream<Parcel, Parcel>& stream) override {
    while (std::optional<Parcel> request = stream.Read()) {
      if (request->fail()) return absl::AbortedError(absl::StrCat(request->number()));
      if (!stream.Write(*request)) return absl::CancelledError("nobody listens");
    }
    return absl::OkStatus();
  }

  // A handler that is slow, not a way to wait for something.
  static void Hold(const Parcel& request) {
    const Deadline end = Deadline::After(absl::Microseconds(request.hold_micros()));
    while (request.hold_micros() > 0 && !end.HasPassed()) std::this_thread::yield();
  }
};

// One thread's random calls, and what may come of them.
class Caller {
 public:
  Caller(uint64_t seed, bool servers_come_and_go)
      : random_(seed), servers_come_and_go_(servers_come_and_go) {}

  void CallOnce(const std::shared_ptr<Channel>& channel) {
    const Chaos::Stub chaos(channel);
    ClientContext context;
    cancelled_ = deadline_ = false;
    if (OneIn(4)) {
      context.set_timeout(absl::Microseconds(Below(3000)));
      deadline_ = true;
    }
    std::optional<std::jthread> canceller;
    if (OneIn(6)) {
      cancelled_ = true;
      canceller.emplace([&context] { context.TryCancel(); });
    }
    switch (Below(4)) {
      case 0:
        return Echo(chaos, context);
      case 1:
        return Repeat(chaos, context);
      case 2:
        return Sum(chaos, context);
      default:
        return Chat(chaos, context);
    }
  }

 private:
  uint64_t Below(uint64_t bound) {
    return std::uniform_int_distribution<uint64_t>(0, bound - 1)(random_);
  }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

  Parcel RandomParcel() {
    Parcel parcel;
    parcel.set_number(Below(1'000'000) + 1);
    // Short ones, some longer than a frame, and a few larger than a stream's window.
    const size_t size = OneIn(20) ? 400'000 : OneIn(5) ? Below(100'000) : Below(200);
    parcel.set_ballast(std::string(size, static_cast<char>('a' + Below(26))));
    parcel.set_times(static_cast<uint32_t>(Below(20)));
    if (OneIn(10)) parcel.set_hold_micros(static_cast<uint32_t>(Below(2000)));
    parcel.set_fail(OneIn(8));
    return parcel;
  }

  // Whether `status` can be the end of a call that was, or was not, to fail.
  void Check(const absl::Status& status, bool failed, const Parcel& parcel) {
    switch (status.code()) {
      case absl::StatusCode::kOk:
        EXPECT_FALSE(failed);
        return;
      case absl::StatusCode::kAborted:
        EXPECT_TRUE(failed);
        EXPECT_EQ(status.message(), absl::StrCat(parcel.number()));
        return;
      case absl::StatusCode::kCancelled:
        EXPECT_TRUE(cancelled_) << status;
        return;
      case absl::StatusCode::kDeadlineExceeded:
        EXPECT_TRUE(deadline_) << status;
        return;
      case absl::StatusCode::kUnavailable:
        EXPECT_TRUE(servers_come_and_go_) << status;
        return;
      default:
        ADD_FAILURE() << status;
    }
  }

  void Echo(const Chaos::Stub& chaos, ClientContext& context) {
    const Parcel request = RandomParcel();
    Parcel reply;
    const absl::Status status = chaos.Echo(context, request, &reply);
    Check(status, request.fail(), request);
    if (!status.ok()) return;
    EXPECT_EQ(reply.number(), request.number());
    EXPECT_EQ(reply.ballast(), request.ballast());
  }

  void Repeat(const Chaos::Stub& chaos, ClientContext& context) {
    const Parcel request = RandomParcel();
    auto replies = chaos.Repeat(context, request);
    const uint64_t stop_after = OneIn(4) ? Below(10) : 1'000'000;
    uint64_t count = 0;
    Parcel reply;
    while (count < stop_after && replies.Read(&reply)) {
      EXPECT_EQ(reply.number(), request.number() + count);
      EXPECT_EQ(reply.ballast(), request.ballast());
      ++count;
    }
    if (OneIn(5)) return;  // the stream's end is the call's
    const absl::Status status = replies.Finish();
    Check(status, request.fail(), request);
    if (status.ok() && count < stop_after) {
      EXPECT_EQ(count, request.times());
    }
  }

  void Sum(const Chaos::Stub& chaos, ClientContext& context) {
    auto requests = chaos.Sum(context);
    uint64_t sum = 0;
    Parcel failing;
    for (uint64_t i = Below(20); i > 0; --i) {
      const Parcel request = RandomParcel();
      if (request.fail() && !failing.fail()) failing = request;
      sum += request.number();
      if (!requests.Write(request)) break;
    }
    if (OneIn(5)) return;
    const absl::StatusOr<Parcel> reply = requests.Finish();
    Check(reply.status(), failing.fail(), failing);
    if (reply.ok()) {
      EXPECT_EQ(reply->number(), sum);
    }
  }

  void Chat(const Chaos::Stub& chaos, ClientContext& context) {
    auto stream = chaos.Chat(context);
    std::vector<Parcel> sent(Below(20));
    Parcel failing;
    for (Parcel& parcel : sent) {
      parcel = RandomParcel();
      if (parcel.fail() && !failing.fail()) failing = parcel;
    }
    std::jthread writer([&] {
      for (const Parcel& parcel : sent) {
        if (!stream.Write(parcel)) return;
      }
      stream.WritesDone();
    });
    size_t count = 0;
    while (std::optional<Parcel> reply = stream.Read()) {
      ASSERT_LT(count, sent.size());
      EXPECT_EQ(reply->number(), sent[count].number());
      EXPECT_EQ(reply->ballast(), sent[count].ballast());
      ++count;
    }
    writer.join();
    const absl::Status status = stream.Finish();
    Check(status, failing.fail(), failing);
    if (status.ok()) {
      EXPECT_EQ(count, sent.size());
    }
  }

  std::mt19937_64 random_;
  const bool servers_come_and_go_;
  bool cancelled_ = false;
  bool deadline_ = false;
};

class ChaosTest : public testing::TestWithParam<std::string> {
 protected:
  ChaosTest() : seed_(std::random_device()()) { std::cout << "seed " << seed_ << "\n"; }

  std::unique_ptr<Server> Serve(const std::string& address) {
    auto server = std::make_unique<Server>();
    server->Register(chaos_);
    EXPECT_EQ(server->Listen(address), absl::OkStatus());
    EXPECT_EQ(server->Start(), absl::OkStatus());
    return server;
  }

  // An address that no other test uses; a port where the system chooses.
  std::string Address() const {
    return GetParam() == "tcp" ? "tcp://127.0.0.1:0"
                               : absl::StrCat(GetParam(), ":/tmp/nigh-chaos-", ::getpid());
  }

  const uint64_t seed_;
  ChaosImpl chaos_;
};

TEST_P(ChaosTest, EveryCallEndsAndNoAnswerIsWrong) {
  const std::unique_ptr<Server> server = Serve(Address());
  const std::shared_ptr<Channel> channel = *Dial(server->addresses().front());
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      Caller caller(seed_ + i, /*servers_come_and_go=*/false);
      for (int call = 0; call < kCallsPerThread; ++call) caller.CallOnce(channel);
    });
  }
}

TEST_P(ChaosTest, ServersMayComeAndGo) {
  // What the first server was given, the later ones ask for.
  const std::string address = Serve(Address())->addresses().front();
  const std::shared_ptr<Channel> channel =
      *Dial(address, {.min_backoff = absl::Milliseconds(1), .max_backoff = absl::Milliseconds(5)});
  std::atomic<int> running = kThreads;
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      Caller caller(seed_ + i, /*servers_come_and_go=*/true);
      for (int call = 0; call < kCallsPerThread; ++call) caller.CallOnce(channel);
      --running;
    });
  }
  std::mt19937_64 random(seed_ - 1);
  while (running > 0) {
    const std::unique_ptr<Server> server = Serve(address);
    // A server's life is measured in its clients' calls, made through a channel of its own.
    Caller caller(random(), /*servers_come_and_go=*/true);
    const std::shared_ptr<Channel> own = *Dial(address);
    for (int call = 0; call < 50; ++call) caller.CallOnce(own);
    server->Shutdown(absl::Milliseconds(static_cast<int64_t>(random() % 20)));
  }
}

INSTANTIATE_TEST_SUITE_P(Transports, ChaosTest,
                         testing::Values("inproc", "shm", "unix", "unix-abstract", "tcp"),
                         [](const auto& info) {
                           return info.param == "unix-abstract" ? "unix_abstract" : info.param;
                         });

}  // namespace
}  // namespace nigh
