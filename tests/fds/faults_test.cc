// Something goes wrong before every byte of calls that bring descriptors, at the client and at the
// server. Whatever it is: nothing is left open.
//
// In the environment, ONLY_TRIAL="in@57=cut", as a failure calls it, has that one run alone.

#include <gtest/gtest.h>
#include <poll.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/nigh.h"
#include "nigh/testing/faulty_transport.h"
#include "nigh/transport/descriptors.h"
#include "tests/contract/subject.h"
#include "tests/faults/exchange.h"
#include "tests/fds/vault.h"
#include "tests/support/descriptors.h"

namespace nigh::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);
// For calls that nobody can tell that they wait in vain.
constexpr absl::Duration kBrief = absl::Milliseconds(5);

// A unary call and a stream each way, each message of which brings some. Whether they came to their
// ends is not the question.
void MakeCallsOn(const std::shared_ptr<Channel>& channel, absl::Duration patience) {
  const Vault::Stub stub(channel);
  {
    ClientContext context;
    context.set_timeout(patience);
    Parcel reply;
    if (stub.Unary(context, PackFiles(context, {"one", "two"}), &reply).ok() &&
        patience == kPatience) {
      EXPECT_EQ(UnpackFiles(context, reply).status(), absl::OkStatus());
    }
  }
  ClientContext context;
  context.set_timeout(patience);
  auto stream = stub.Both(context);
  for (int i = 0; i < 2; ++i) {
    Parcel request = PackFiles(context, {"three"});
    request.set_padding(std::string(i * 100, 'x'));
    if (!stream.Write(request) || !stream.Read().has_value()) break;
  }
  (void)stream.WritesDone();
  (void)stream.Finish();
}

void MakeCalls(const std::string& address, absl::Duration patience) {
  ChannelOptions options = FaultyChannelOptions();
  // What calls leave behind to be sent is a poller's; the one that channels share would let go of
  // it in its own time.
  options.event_loop = std::make_shared<EventLoop>();
  MakeCallsOn(Dial(address, options).value(), patience);
  pollfd more = {.fd = options.event_loop->fd(), .events = POLLIN, .revents = 0};
  while (::poll(&more, 1, 0) > 0) options.event_loop->Poll();
}

struct Peer {
  explicit Peer(absl::string_view faults) {
    server.Register(vault);
    EXPECT_EQ(server.Listen(WithFaults(faults, FreshAddress().ToString())), absl::OkStatus());
    EXPECT_EQ(server.Start(), absl::OkStatus());
  }
  ~Peer() { server.Shutdown(absl::ZeroDuration()); }
  std::string address() const { return WithoutFaults(server.addresses().front()); }

  VaultService vault;
  Server server{FaultyServerOptions()};
};

class FdFaultsTest : public ::testing::Test {
 protected:
  void SetUp() override { before_ = OpenDescriptors(); }
  void TearDown() override { EXPECT_EQ(OpenDescriptors(), before_); }

  static absl::Duration PatienceOf(absl::string_view fault) {
    return fault == "cut" || fault == "again(3)" ? kPatience : kBrief;
  }
  static bool IsChosen(const std::string& trial) {
    const char* const only = std::getenv("ONLY_TRIAL");
    return only == nullptr || trial == only;
  }

  int before_ = 0;
};

// Has each fault come before each `stride`-th byte, cuts before each. Calls `trial` with all.
template <class Trial>
void ForEachFault(uint64_t in, uint64_t out, uint64_t stride, Trial trial) {
  for (const absl::string_view fault : {"cut", "drop", "corrupt", "again(3)", "end"}) {
    const uint64_t step = fault == "cut" ? (stride + 3) / 4 : stride;
    for (uint64_t at = 0; at < in; at += step) trial(absl::StrCat("in@", at, "=", fault), fault);
    for (uint64_t at = 0; at < out; at += step) trial(absl::StrCat("out@", at, "=", fault), fault);
  }
}

// How many bytes the calls have each way, as the client sees it.
FaultCounts Measure() {
  Peer peer("");
  ForgetFaults();
  const std::string address = WithFaults("", peer.address());
  MakeCalls(address, kPatience);
  const FaultCounts counts = CountDialled(address);
  EXPECT_GT(counts.in, 200);
  EXPECT_GT(counts.out, 200);
  ForgetFaults();
  return counts;
}

TEST_F(FdFaultsTest, OfTheClientLeaveNothingOpen) {
  const FaultCounts length = Measure();
  ForEachFault(length.in, length.out, 13, [&](const std::string& trial, absl::string_view fault) {
    if (!IsChosen(trial)) return;
    SCOPED_TRACE(trial);
    {
      Peer peer("");
      MakeCalls(WithFaults(trial, peer.address()), PatienceOf(fault));
    }
    ForgetFaults();
    EXPECT_EQ(OpenDescriptors(), before_);
  });
}

TEST_F(FdFaultsTest, OfTheServerLeaveNothingOpen) {
  const FaultCounts length = Measure();
  ForEachFault(length.out, length.in, 23, [&](const std::string& trial, absl::string_view fault) {
    if (!IsChosen(trial)) return;
    SCOPED_TRACE(trial);
    {
      Peer peer(trial);
      MakeCalls(WithFaults("", peer.address()), PatienceOf(fault));
    }
    ForgetFaults();
    EXPECT_EQ(OpenDescriptors(), before_);
  });
}

}  // namespace
}  // namespace nigh::testing

int main(int argc, char** argv) {
  nigh::testing::ChooseSubject(&argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
