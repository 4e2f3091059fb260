// Something goes wrong before every byte of short exchanges of each kind, at the client and at the
// server. Whatever it is: a call ends, with its whole result or with a status that says so; no
// handler sees it twice; the channel works again; and nothing is left.
//
// In the environment, ONLY_TRIAL="unary, in@57=cut", as a failure calls it, has that one run alone,
// and STRIDE=1 has all faults come before every byte.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/server.h"
#include "nigh/testing/faulty_transport.h"
#include "tests/contract/subject.h"
#include "tests/faults/exchange.h"
#include "tests/support/descriptors.h"

namespace nigh::testing {
namespace {

// For calls that must end by themselves.
constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr CallOptions kPatient = {.timeout = kPatience};
// A channel that could not connect makes a pause before it tries again.
constexpr CallOptions kVeryPatient = {.timeout = kPatience, .wait_for_ready = true};
// For those that nobody can tell that they wait in vain. One that fails by this is not wrong.
constexpr absl::Duration kBrief = absl::Milliseconds(5);

// What may come of a call.
struct Expected {
  absl::string_view fault;
  absl::Duration timeout = kPatience;
  // The codes, besides OK. Empty: it must succeed.
  std::set<absl::StatusCode> codes = {};
  // Whether what is received can be relied on: bytes that are turned round or lost are not noticed
  // by themselves.
  bool intact = true;
};

const std::vector<Expected>& Faults() {
  using enum absl::StatusCode;
  static const auto& faults = *new std::vector<Expected>{
      {.fault = "again(3)"},
      {.fault = "delay(100us)"},
      {.fault = "cut", .codes = {kUnavailable}},
      // Where the peer cannot be told, it waits.
      {.fault = "end", .timeout = kBrief, .codes = {kUnavailable, kDeadlineExceeded}},
      {.fault = "drop",
       .timeout = kBrief,
       .codes = {kUnavailable, kDeadlineExceeded, kInternal, kUnimplemented, kInvalidArgument,
                 kCancelled, kResourceExhausted, kFailedPrecondition, kUnknown},
       .intact = false},
      {.fault = "corrupt",
       .timeout = kBrief,
       .codes = {kUnavailable, kDeadlineExceeded, kInternal, kUnimplemented, kInvalidArgument,
                 kCancelled, kResourceExhausted, kFailedPrecondition, kUnknown},
       .intact = false},
  };
  return faults;
}

enum class Side { kClient, kServer };

class FaultsTest : public ::testing::TestWithParam<Side> {
 protected:
  // Connections are cut before every byte. Other faults, and those of a server, which is a new one
  // each time, come before every so-manieth, which falls on all fields of headers in turn.
  static uint64_t StrideOf(const Expected& expected) {
    const char* const stride = std::getenv("STRIDE");
    if (stride != nullptr) return std::strtoull(stride, nullptr, 10);
    const bool cut = expected.fault == "cut";
    if (GetParam() == Side::kServer) return cut ? 3 : 11;
    return cut ? 1 : 5;
  }

  // The bytes that an exchange has each way, as the client sees it.
  struct Length {
    uint64_t in = 0;
    uint64_t out = 0;
  };

  struct Peer {
    explicit Peer(absl::string_view faults) {
      server.Register(service);
      EXPECT_EQ(server.Listen(WithFaults(faults, FreshAddress().ToString())), absl::OkStatus());
      EXPECT_EQ(server.Start(), absl::OkStatus());
    }
    ~Peer() { server.Shutdown(absl::ZeroDuration()); }

    std::string address() const { return WithoutFaults(server.addresses().front()); }

    ExchangeService service;
    Server server{FaultyServerOptions()};
  };

  // A server and its client, of which one has `faults`. If that is the client, the server is the
  // same for all.
  struct Site {
    explicit Site(absl::string_view faults, size_t padding = 0) {
      static int sites = 0;
      // Of one length, as exchanges are.
      id = absl::StrFormat("%06d%s", ++sites, std::string(padding, 'x'));
      const bool at_server = GetParam() == Side::kServer;
      if (at_server) own.emplace(faults);
      peer = at_server ? &*own : honest;
      address = WithFaults(at_server ? "" : faults, peer->address());
      channel = Dial(address, FaultyChannelOptions()).value();
    }

    FaultCounts counts() const {
      return GetParam() == Side::kServer ? CountAccepted(peer->server.addresses().front())
                                         : CountDialled(address);
    }

    std::string id;
    std::optional<Peer> own;
    Peer* peer = nullptr;
    std::string address;
    std::shared_ptr<Channel> channel;
  };

  void SetUp() override {
    ForgetFaults();
    honest_.emplace("");
    honest = &*honest_;
  }

  void EndHonest() { honest_.reset(); }

  static Length LengthOf(Kind kind, size_t padding = 0) {
    ForgetFaults();
    const Site site("", padding);
    const Outcome outcome = MakeExchange(site.channel, kind, site.id, kPatient);
    EXPECT_EQ(outcome.status, absl::OkStatus());
    EXPECT_TRUE(outcome.right);
    const FaultCounts counts = CountDialled(site.address);
    return {.in = counts.in, .out = counts.out};
  }

  // Has `expected` come about before byte `at`, and looks what comes of it. Messages have so many
  // bytes more than they need.
  static void Try(Kind kind, const Expected& expected, absl::string_view direction, uint64_t at,
                  size_t padding = 0) {
    const std::string fault = absl::StrCat(direction, "@", at, "=", expected.fault);
    const std::string trial = absl::StrCat(NameOf(kind), ", ", fault);
    const char* const only = std::getenv("ONLY_TRIAL");
    if (only != nullptr && trial != only) return;
    SCOPED_TRACE(trial);
    ForgetFaults();
    Site site(fault, padding);
    const Outcome outcome =
        MakeExchange(site.channel, kind, site.id, {.timeout = expected.timeout});
    EXPECT_TRUE(outcome.status.ok() || expected.codes.contains(outcome.status.code()))
        << outcome.status;
    EXPECT_TRUE(outcome.right || !expected.intact) << outcome.status;
    const int seen = site.peer->service.HandlersThatSaw(site.id);
    EXPECT_TRUE(!expected.intact || seen == 1 || (seen == 0 && !outcome.status.ok()))
        << seen << " handlers saw it: " << outcome.status;
    // A channel gets over a connection that was cut. One that lives on with half of its bytes gone
    // is no better for the next call.
    if (expected.fault != "cut" || outcome.status.ok()) {
      site.channel =
          Dial(site.peer->address(), {.transports = {&TheSubject().transport, 1}}).value();
    }
    // A server that has met nothing, for the call's time was up before, has its fault still before
    // it.
    if (GetParam() == Side::kClient || site.counts().faults > 0) {
      const Outcome next = MakeExchange(site.channel, kind, "next", kVeryPatient);
      EXPECT_EQ(next.status, absl::OkStatus()) << "after " << outcome.status;
      EXPECT_TRUE(next.right);
    }
  }

 private:
  static Peer* honest;
  std::optional<Peer> honest_;
};

FaultsTest::Peer* FaultsTest::honest = nullptr;

TEST_P(FaultsTest, BeforeEveryByte) {
  // What the process makes once and keeps.
  (void)LengthOf(Kind::kUnary);
  EndHonest();
  const int descriptors = OpenDescriptors();
  SetUp();
  for (const Kind kind : kKinds) {
    const Length length = LengthOf(kind);
    for (const Expected& expected : Faults()) {
      const uint64_t stride = StrideOf(expected);
      for (uint64_t at = 0; at <= length.in && !HasFailure(); at += stride) {
        Try(kind, expected, "in", at);
      }
      for (uint64_t at = 0; at <= length.out && !HasFailure(); at += stride) {
        Try(kind, expected, "out", at);
      }
    }
  }
  EndHonest();
  EXPECT_EQ(OpenDescriptors(), descriptors);
}

// Messages that are cut, or lie beside the ring.
TEST_P(FaultsTest, AmidLongMessages) {
  constexpr size_t kPadding = 100'000;
  constexpr uint64_t kStrides = 12;
  (void)LengthOf(Kind::kUnary);
  EndHonest();
  const int descriptors = OpenDescriptors();
  SetUp();
  for (const Kind kind : kKinds) {
    const Length length = LengthOf(kind, kPadding);
    for (const Expected& expected : Faults()) {
      // Somewhere in each frame, another place in each round: in headers, too.
      for (uint64_t i = 0; i <= kStrides && !HasFailure(); ++i) {
        Try(kind, expected, "in", length.in * i / kStrides + i, kPadding);
        Try(kind, expected, "out", length.out * i / kStrides + i, kPadding);
      }
    }
  }
  EndHonest();
  EXPECT_EQ(OpenDescriptors(), descriptors);
}

// Small reads and writes, and those that find nothing, change nothing.
TEST_P(FaultsTest, NuisancesAreNotNoticed) {
  std::vector<std::string> nuisances = {"chunk=1", "chunk=25"};
  for (int seed = 1; seed <= 20; ++seed) nuisances.push_back(absl::StrCat("noise=", seed, "/50"));
  for (const std::string& nuisance : nuisances) {
    SCOPED_TRACE(nuisance);
    const Site site(nuisance);
    for (const Kind kind : kKinds) {
      const Outcome outcome = MakeExchange(site.channel, kind, site.id, kPatient);
      EXPECT_EQ(outcome.status, absl::OkStatus());
      EXPECT_TRUE(outcome.right);
    }
  }
}

// The counts say so, or else the tests above would be of nothing.
TEST_P(FaultsTest, TheFaultsComeAbout) {
  for (const absl::string_view direction : {"in", "out"}) {
    const Site site(absl::StrCat(direction, "@30=cut"));
    (void)MakeExchange(site.channel, Kind::kBidi, site.id, kPatient);
    EXPECT_EQ(site.counts().faults, 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Sides, FaultsTest, ::testing::Values(Side::kClient, Side::kServer),
                         [](const auto& info) {
                           return info.param == Side::kClient ? "Client" : "Server";
                         });

}  // namespace
}  // namespace nigh::testing
