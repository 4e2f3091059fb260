// A server's process is killed, or stopped, before bytes of short exchanges.

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/testing/faulty_transport.h"
#include "tests/conformance/child.h"
#include "tests/contract/subject.h"
#include "tests/faults/exchange.h"

namespace nigh::testing {
namespace {

constexpr CallOptions kPatient = {.timeout = absl::Seconds(30)};
// Each is a process. Coprime to the size of headers, so that it falls on all their fields in turn.
constexpr uint64_t kStride = 11;

const std::string& AddressOfAll() {
  static const std::string address = FreshAddress().ToString();
  return address;
}

// A server in a process of its own, on whose first connection there are `faults`. They all follow
// one another at one address, where each finds what the one before, killed, has left.
struct Host {
  explicit Host(absl::string_view faults)
      : process({absl::StrCat("--serve=", WithFaults(faults, AddressOfAll()))}) {
    // Here there are none, but bytes are counted.
    address = WithFaults("", WithoutFaults(process.Hear()));
    channel = Dial(address, FaultyChannelOptions()).value();
  }

  Child process;
  std::string address;
  std::shared_ptr<Channel> channel;
};

FaultCounts LengthOf(Kind kind) {
  ForgetFaults();
  const Host host("");
  EXPECT_EQ(MakeExchange(host.channel, kind, "id", kPatient).status, absl::OkStatus());
  return CountDialled(host.address);
}

// The call ends, well or with its server.
void Kill(Kind kind, absl::string_view where) {
  const std::string faults = absl::StrCat(where, "=kill");
  SCOPED_TRACE(absl::StrCat(NameOf(kind), ", at the server ", faults));
  const Host host(faults);
  const Outcome outcome = MakeExchange(host.channel, kind, "id", kPatient);
  EXPECT_TRUE(outcome.right) << outcome.status;
  EXPECT_TRUE(outcome.status.ok() || absl::IsUnavailable(outcome.status)) << outcome.status;
}

// The call goes on when its server does.
void Stop(Kind kind, absl::string_view where) {
  const std::string faults = absl::StrCat(where, "=stop");
  SCOPED_TRACE(absl::StrCat(NameOf(kind), ", at the server ", faults));
  Host host(faults);
  std::thread caller([&] {
    const Outcome outcome = MakeExchange(host.channel, kind, "id", kPatient);
    EXPECT_EQ(outcome.status, absl::OkStatus());
    EXPECT_TRUE(outcome.right);
    // An exchange may have some bytes less than the one that was counted: then nothing has
    // happened.
    host.process.Signal(SIGSTOP);
  });
  host.process.AwaitStop();
  host.process.Signal(SIGCONT);
  caller.join();
}

TEST(KillTest, BeforeEveryEleventhByte) {
  for (const Kind kind : kKinds) {
    // The server receives what this side sends.
    const FaultCounts length = LengthOf(kind);
    for (const auto& test : {&Kill, &Stop}) {
      for (uint64_t at = 0; at < length.out && !::testing::Test::HasFailure(); at += kStride) {
        test(kind, absl::StrCat("in@", at));
      }
      for (uint64_t at = 0; at < length.in && !::testing::Test::HasFailure(); at += kStride) {
        test(kind, absl::StrCat("out@", at));
      }
    }
  }
}

}  // namespace
}  // namespace nigh::testing
